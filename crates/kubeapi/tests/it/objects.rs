//! Discovery, apply with conflicts, patch, delete: in a namespace of its own, on any cluster.

use std::time::Duration;

use kubeapi::{Api, ApiError, Applied, FieldConflict, Place, Selection};
use serde_json::{Value, json};
use steps::{Problem, Silent, Wait};

use crate::scenario;

const NAMESPACE: &str = "airlab-kubeapi-test";

pub(crate) async fn all(api: &Api) {
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}});
    api.apply(&namespace, "airlab").await.unwrap();
    discovery(api).await;
    conflicts(api).await;
    definitions(api).await;
    api.delete(&Place::of(&namespace)).await.unwrap();
}

async fn discovery(api: &Api) {
    scenario("what the API speaks is asked of it");
    assert!(api.serves("v1", "ConfigMap").await.unwrap());
    assert!(!api.serves("v1", "Nonsense").await.unwrap());
    assert!(!api.serves("nonsense.example/v1", "ConfigMap").await.unwrap());
    let cron = api.first_served(&["batch/v1", "batch/v1beta1"], "CronJob").await.unwrap();
    let minor: u32 = api.version().await.unwrap().split('.').nth(1).unwrap().parse().unwrap();
    assert_eq!(cron, if minor < 21 { "batch/v1beta1" } else { "batch/v1" });
    let missing = api.first_served(&["nonsense.example/v2", "nonsense.example/v1"], "Thing").await.unwrap_err();
    assert_eq!(missing.to_string(), "Thing of nonsense.example/v2, nonsense.example/v1 is not served");
}

fn map(name: &str, data: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": NAMESPACE}, "data": data})
}

async fn conflicts(api: &Api) {
    scenario("apply, and what others have set");
    let object = map("one", json!({"a": "1", "b": "1"}));
    assert_eq!(api.apply(&object, "airlab").await.unwrap(), Applied::Created);
    assert_eq!(api.apply(&object, "airlab").await.unwrap(), Applied::Unchanged);
    assert_eq!(api.apply(&map("one", json!({"a": "2", "b": "1"})), "airlab").await.unwrap(), Applied::Changed);

    let theirs = map("one", json!({"a": "3"}));
    let error = api.apply(&theirs, "somebody").await.unwrap_err();
    let ApiError::Conflict { object, fields } = &error else { panic!("{error:?}") };
    assert_eq!(object, "ConfigMap airlab-kubeapi-test/one");
    assert_eq!(fields, &[FieldConflict { field: ".data.a".into(), manager: "airlab".into() }]);
    assert_eq!(error.args()[1].1, ".data.a (set by airlab)");
    let kept = api.get(&Place::of(&theirs)).await.unwrap().unwrap();
    assert_eq!(kept.data["data"]["a"], "2", "a conflict changes nothing");

    assert_eq!(api.take_over(&theirs, "somebody").await.unwrap(), Applied::Changed);
    let error = api.apply(&map("one", json!({"a": "2", "b": "1"})), "airlab").await.unwrap_err();
    assert!(error.to_string().contains("set by somebody"), "{error}");
    // what is no longer in what we apply is no longer there; what is theirs stays
    assert_eq!(api.apply(&map("one", json!({})), "airlab").await.unwrap(), Applied::Changed);
    let left = api.get(&Place::of(&theirs)).await.unwrap().unwrap();
    assert_eq!(left.data["data"], json!({"a": "3"}));

    scenario("patch and delete");
    let place = Place::of(&theirs);
    let patch = json!({"metadata": {"annotations": {"note": "x"}}});
    assert!(api.merge(&place, &patch).await.unwrap());
    assert!(!api.merge(&place, &patch).await.unwrap());
    assert!(api.merge(&place, &json!({"metadata": {"annotations": {"note": null}}})).await.unwrap());
    assert!(
        api.merge(&Place::new("v1", "ConfigMap", "none").within(NAMESPACE), &patch).await.unwrap_err().is_not_found()
    );
    assert!(api.delete(&place).await.unwrap());
    assert!(!api.delete(&place).await.unwrap());
    assert!(api.get(&place).await.unwrap().is_none());

    scenario("an object that is not valid");
    let wrong = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "Wrong_Name", "namespace": NAMESPACE},
        "spec": {"ports": [{"port": 80, "protocol": "TCP"}]}});
    let error = api.apply(&wrong, "airlab").await.unwrap_err();
    assert!(matches!(&error, ApiError::Refused { code: 422, reason, .. } if reason == "Invalid"), "{error:?}");
}

/// A kind that the API does not know, then knows, then forgets.
async fn definitions(api: &Api) {
    scenario("a definition comes and goes");
    let group = "kubeapi-test.airlab.example";
    let things = format!("{group}/v1");
    let thing = json!({"apiVersion": things, "kind": "Thing", "metadata": {"name": "t", "namespace": NAMESPACE}, "spec": {"n": 1}});
    let error = api.apply(&thing, "airlab").await.unwrap_err();
    assert!(matches!(error, ApiError::NotServed { .. }), "{error:?}");
    assert!(api.list(&things, "Thing", None).await.unwrap().is_empty());

    let definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("things.{group}")},
        "spec": {
            "group": group, "scope": "Namespaced",
            "names": {"plural": "things", "singular": "thing", "kind": "Thing", "listKind": "ThingList"},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema":
                {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}}],
        },
    });
    // somebody waits for a thing of a kind that is not there yet
    let waiting = {
        let (api, place) = (api.clone(), Place::of(&thing));
        tokio::spawn(async move {
            let wait = Wait::new("thing t", Duration::from_secs(60));
            api.wait_until(&Selection::one(&place), wait, &Silent, |objects| {
                objects.first().map(|o| o.data["spec"]["n"].as_i64()).ok_or_else(|| "no thing".into())
            })
            .await
        })
    };
    tokio::time::sleep(Duration::from_secs(1)).await;
    api.apply(&definition, "airlab").await.unwrap();
    let wait = Wait::new("the definition", Duration::from_secs(60));
    let established = |objects: &[kubeapi::DynamicObject]| {
        let conditions =
            objects.iter().flat_map(|o| o.data["status"]["conditions"].as_array().cloned().unwrap_or_default());
        let mut conditions = conditions.filter(|c| c["type"] == "Established" && c["status"] == "True");
        conditions.next().map(|_| ()).ok_or_else(|| "not established".to_owned())
    };
    api.wait_until(&Selection::one(&Place::of(&definition)), wait, &Silent, established).await.unwrap();
    for _ in 0..60 {
        match api.apply(&thing, "airlab").await {
            Ok(applied) => {
                assert_eq!(applied, Applied::Created);
                break;
            }
            Err(ApiError::NotServed { .. } | ApiError::Refused { code: 404, .. }) => {
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
            Err(e) => panic!("{e:?}"),
        }
    }
    assert_eq!(waiting.await.unwrap().unwrap(), Some(1));
    assert!(api.delete(&Place::of(&definition)).await.unwrap());
}
