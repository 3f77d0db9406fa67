//! Waits over watches that are cut, compacted away, forbidden, and over an API that is away.

use std::time::{Duration, Instant};

use kubeapi::{Api, ApiError, DynamicObject, Place, Selection};
use serde_json::{Value, json};
use steps::{Event, Recorder, Silent, Wait};

use crate::relay::{Mode, Relay};
use crate::scenario;
use crate::server::Server;

fn map(name: &str, value: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "default"}, "data": {"v": value}})
}

fn is(value: &'static str) -> impl FnMut(&[DynamicObject]) -> Result<usize, String> + Send {
    let mut looks = 0;
    move |objects| {
        looks += 1;
        let found = objects.first().map(|o| o.data["data"]["v"].as_str().unwrap_or_default().to_owned());
        match found {
            Some(v) if v == value => Ok(looks),
            Some(v) => Err(format!("it is {v}")),
            None => Err("it is not there".into()),
        }
    }
}

fn wait(what: &str) -> Wait {
    Wait::new(what, Duration::from_secs(60)).every(Duration::from_millis(200))
}

pub(crate) async fn all(server: &Server, api: &Api) {
    let relay = Relay::to(&server.address).await;
    let through = Api::new(&server.kubeconfig(&relay.url, "admin").into()).await.unwrap();
    let one = |name: &str| Selection::one(&Place::of(&map(name, "")));

    scenario("true already, and becoming true");
    api.apply(&map("w1", "a"), "airlab").await.unwrap();
    assert_eq!(api.wait_until(&one("w1"), wait("a"), &Silent, is("a")).await.unwrap(), 1);
    let waiting = tokio::spawn({
        let (api, one) = (api.clone(), one("w1"));
        async move { api.wait_until(&one, wait("b"), &Silent, is("b")).await }
    });
    tokio::time::sleep(Duration::from_millis(700)).await;
    let start = Instant::now();
    api.apply(&map("w1", "b"), "airlab").await.unwrap();
    waiting.await.unwrap().unwrap();
    assert!(start.elapsed() < Duration::from_secs(10));

    scenario("never true: the deadline, with the last reason");
    let seen = Recorder::default();
    let short = Wait::new("w1 is c", Duration::from_secs(7)).every(Duration::from_millis(200));
    let error = api.wait_until(&one("w1"), short, &seen, is("c")).await.unwrap_err();
    let ApiError::TimedOut(error) = error else { panic!("{error:?}") };
    assert_eq!((error.what.as_str(), error.last.as_str()), ("w1 is c", "it is b"));
    assert!(
        seen.events().iter().any(|e| matches!(e, Event::Waiting { last, .. } if last == "it is b")),
        "a sign of life"
    );

    scenario("a watch that is cut goes on, with nothing lost");
    api.apply(&map("w2", "a"), "airlab").await.unwrap();
    let waiting = tokio::spawn({
        let (through, one) = (through.clone(), one("w2"));
        async move { through.wait_until(&one, wait("c"), &Silent, is("c")).await }
    });
    for value in ["b", "b2", "c"] {
        tokio::time::sleep(Duration::from_millis(800)).await;
        relay.cut();
        api.apply(&map("w2", value), "airlab").await.unwrap();
    }
    waiting.await.unwrap().unwrap();
    assert!(relay.connections() >= 3, "{} connections", relay.connections());

    scenario("410 Gone: the version it would go on from is compacted away");
    api.apply(&map("w3", "a"), "airlab").await.unwrap();
    let waiting = tokio::spawn({
        let (through, one) = (through.clone(), one("w3"));
        async move { through.wait_until(&one, wait("z"), &Silent, is("z")).await }
    });
    tokio::time::sleep(Duration::from_millis(800)).await;
    relay.set(Mode::Closed);
    relay.cut();
    for value in ["b", "c", "d"] {
        api.apply(&map("w3", value), "airlab").await.unwrap();
    }
    // other objects move the data store on, and this one goes and comes while nobody watches
    api.delete(&Place::of(&map("w3", ""))).await.unwrap();
    api.apply(&map("w3", "z"), "airlab").await.unwrap();
    server.compact();
    assert!(gone(server).await, "the API must answer 410 to a compacted version, or this shows nothing");
    relay.set(Mode::Through);
    waiting.await.unwrap().unwrap();

    scenario("an API that is away, then stalls, then is back");
    api.apply(&map("w4", "a"), "airlab").await.unwrap();
    relay.set(Mode::Closed);
    relay.cut();
    let hasty = through.clone().bounds(Duration::from_secs(1), Duration::ZERO);
    let waiting = tokio::spawn({
        let one = one("w4");
        async move { hasty.wait_until(&one, wait("a"), &Silent, is("a")).await }
    });
    tokio::time::sleep(Duration::from_millis(800)).await;
    relay.set(Mode::Stalled);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(!waiting.is_finished());
    relay.set(Mode::Through);
    relay.cut();
    waiting.await.unwrap().unwrap();

    scenario("stalled for good: the deadline holds");
    relay.set(Mode::Stalled);
    relay.cut();
    let start = Instant::now();
    let short = Wait::new("anything", Duration::from_secs(3));
    let error = through.wait_until(&one("w4"), short, &Silent, is("never")).await.unwrap_err();
    assert!(matches!(error, ApiError::TimedOut(_)), "{error:?}");
    assert!(start.elapsed() < Duration::from_secs(8), "{:?}", start.elapsed());
    relay.set(Mode::Through);
    relay.cut();

    scenario("who may list but not watch waits all the same");
    lister(api).await;
    let lister = Api::new(&server.kubeconfig(&server.url, "nobody").into()).await.unwrap();
    let waiting = tokio::spawn({
        let one = one("w4");
        async move { lister.wait_until(&one, wait("q"), &Silent, is("q")).await }
    });
    tokio::time::sleep(Duration::from_millis(700)).await;
    api.apply(&map("w4", "q"), "airlab").await.unwrap();
    waiting.await.unwrap().unwrap();

    scenario("who may not even list is told at once");
    let nobody = Api::new(&server.kubeconfig(&server.url, "nobody").into()).await.unwrap();
    let secrets = Selection::all("v1", "Secret").within("default");
    let error =
        nobody.wait_until(&secrets, wait("secrets"), &Silent, |_| Err::<(), _>(String::new())).await.unwrap_err();
    assert!(matches!(error, ApiError::Forbidden { .. }), "{error:?}");
}

/// Whether a watch from the first version of all is refused for its age.
async fn gone(server: &Server) -> bool {
    let api = Api::new(&server.kubeconfig(&server.url, "admin").into()).await.unwrap();
    let path = "/api/v1/namespaces/default/configmaps?watch=1&resourceVersion=1&timeoutSeconds=2";
    match api.text(path).await {
        Ok(text) => text.contains("410") || text.contains("\"Expired\"") || text.contains("\"Gone\""),
        Err(error) => matches!(error, ApiError::Refused { code: 410, .. }),
    }
}

/// Lets `nobody` list ConfigMaps, and nothing else.
async fn lister(api: &Api) {
    let meta = json!({"name": "lister", "namespace": "default"});
    let role = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": meta,
        "rules": [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["list"]}]});
    let binding = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": meta,
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "lister"},
        "subjects": [{"kind": "User", "name": "nobody", "apiGroup": "rbac.authorization.k8s.io"}]});
    api.apply(&role, "airlab").await.unwrap();
    api.apply(&binding, "airlab").await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
}
