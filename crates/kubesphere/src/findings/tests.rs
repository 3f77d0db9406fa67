use super::*;
use serde_json::json;

fn object(value: Value) -> DynamicObject {
    serde_json::from_value(value).unwrap()
}

fn pod(name: &str, status: Value) -> DynamicObject {
    object(json!({
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {"nodeName": "worker1", "containers": [{"name": "c", "image": "kubesphere/ks-console:v4.1.3"}],
            "volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "data"}}]},
        "status": status,
    }))
}

fn deployment(name: &str) -> DynamicObject {
    object(json!({"metadata": {"name": name, "namespace": NAMESPACE}, "spec": {"replicas": 1},
        "status": {"availableReplicas": 1, "conditions": [{"type": "Available", "status": "True"}]}}))
}

fn healthy() -> Seen {
    let running = |name: &str| {
        pod(
            name,
            json!({"phase": "Running", "containerStatuses": [{"name": "c", "ready": true, "restartCount": 5,
            "state": {"running": {}}, "lastState": {"terminated": {"exitCode": 137}}}]}),
        )
    };
    Seen {
        pods: vec![
            running("ks-apiserver-1"),
            running("ks-console-1"),
            // a finished Helm Job, and a pod that has only just come
            pod("helm-install-ks-core-x", json!({"phase": "Succeeded"})),
            pod(
                "new",
                json!({"phase": "Pending", "containerStatuses": [{"name": "c", "state": {"waiting": {"reason": "ContainerCreating"}}}]}),
            ),
        ],
        deployments: WORKLOADS.iter().map(|name| deployment(name)).collect(),
        claims: vec![object(
            json!({"metadata": {"name": "data", "namespace": NAMESPACE}, "spec": {}, "status": {"phase": "Bound"}}),
        )],
        definitions: DEFINITIONS
            .iter()
            .map(|name| {
                object(json!({"metadata": {"name": name}, "status": {"conditions": [
            {"type": "Established", "status": "True"}]}}))
            })
            .collect(),
        plans: vec![
            object(
                json!({"metadata": {"name": "whizard-telemetry"}, "status": {"state": "Installed", "targetNamespace": "x"}}),
            ),
            object(
                json!({"metadata": {"name": "opensearch"}, "status": {"state": "Installing", "targetNamespace": "y"}}),
            ),
        ],
        release: Some(Release {
            revision: 1,
            status: "deployed".into(),
            description: String::new(),
            chart_version: "1.1.4".into(),
            values: Value::Null,
        }),
        ..Seen::default()
    }
}

fn only(seen: &Seen) -> Finding {
    let found = findings(seen);
    assert_eq!(found.len(), 1, "{found:#?}");
    found.into_iter().next().unwrap()
}

#[test]
fn a_healthy_cluster_gives_no_finding() {
    assert_eq!(findings(&healthy()), []);
    assert_eq!(findings(&Seen::default()), [], "nor does one without KubeSphere");
}

#[test]
fn a_wrong_image() {
    let mut seen = healthy();
    seen.pods.push(pod(
        "ks-console-2",
        json!({"phase": "Pending", "containerStatuses": [{"name": "c", "image": "sha256:x",
        "restartCount": 0, "state": {"waiting": {"reason": "ImagePullBackOff", "message": "not found:\n  v9"}}}]}),
    ));
    let found = only(&seen);
    assert_eq!(found.cause, Cause::Image);
    let line = "Pod kubesphere-system/ks-console-2 (kubesphere/ks-console:v4.1.3): ImagePullBackOff: not found: v9";
    assert_eq!(found.to_string(), line);
}

#[test]
fn a_crash_loop_says_how_it_ended() {
    let mut seen = healthy();
    seen.pods.push(pod(
        "ks-apiserver-2",
        json!({"phase": "Running", "containerStatuses": [{"name": "c", "restartCount": 6,
        "state": {"waiting": {"reason": "CrashLoopBackOff"}},
        "lastState": {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}}]}),
    ));
    let found = only(&seen);
    assert_eq!(found.cause, Cause::CrashLoop);
    assert_eq!(found.message, "container c has been started 7 times; it ended with code 137 (OOMKilled)");
}

fn claim(class: Option<&str>) -> DynamicObject {
    let mut spec = json!({});
    if let Some(class) = class {
        spec["storageClassName"] = class.into();
    }
    object(json!({"metadata": {"name": "data", "namespace": NAMESPACE}, "spec": spec, "status": {"phase": "Pending"}}))
}

fn class(name: &str, late: bool) -> DynamicObject {
    object(json!({"metadata": {"name": name, "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}},
        "provisioner": "rancher.io/local-path",
        "volumeBindingMode": if late { "WaitForFirstConsumer" } else { "Immediate" }}))
}

#[test]
fn a_pending_claim() {
    let waiting = || {
        pod(
            "db",
            json!({"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "False",
        "message": "pod has unbound immediate PersistentVolumeClaims"}]}),
        )
    };
    let with = |claim: DynamicObject, classes: Vec<DynamicObject>, pods: Vec<DynamicObject>| Seen {
        claims: vec![claim],
        storage_classes: classes,
        pods,
        ..healthy()
    };
    let object = "PersistentVolumeClaim kubesphere-system/data";
    let missing = only(&with(claim(Some("fast")), vec![class("local-path", true)], vec![waiting()]));
    assert_eq!((missing.cause, missing.object.as_str()), (Cause::PendingClaim, object));
    assert_eq!(missing.message, "it asks for the storage class fast, which is not there");
    let none = only(&with(claim(None), vec![], vec![waiting()]));
    assert_eq!(none.message, "it asks for the default storage class, and no class is the default");
    let idle = only(&with(claim(None), vec![class("local-path", true)], vec![waiting()]));
    assert_eq!(idle.message, "rancher.io/local-path, which the storage class local-path names, has made no volume");
    assert_eq!(findings(&with(claim(None), vec![class("local-path", true)], vec![])), [], "it rightly waits for a pod");
    let mut told = with(claim(None), vec![class("local-path", false)], vec![waiting()]);
    told.events.push(super::tests::object(
        json!({"metadata": {"name": "e"}, "type": "Warning", "reason": "ProvisioningFailed", "message": "no space",
        "involvedObject": {"kind": "PersistentVolumeClaim", "name": "data", "namespace": NAMESPACE}}),
    ));
    assert_eq!(only(&told).message, "ProvisioningFailed: no space");
}

#[test]
fn a_missing_definition() {
    let mut seen = healthy();
    seen.definitions.retain(|d| d.metadata.name.as_deref() != Some("installplans.kubesphere.io"));
    let found = only(&seen);
    assert_eq!(
        (found.cause, found.object.as_str()),
        (Cause::MissingDefinition, "CustomResourceDefinition installplans.kubesphere.io")
    );
    seen.release = None;
    assert_eq!(findings(&seen), [], "before Helm is done nothing is missing");
}

#[test]
fn no_room_and_no_mount() {
    let mut seen = healthy();
    seen.pods.push(pod(
        "large",
        json!({"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "False",
        "message": "0/3 nodes are available: 3 Insufficient memory."}]}),
    ));
    assert_eq!(only(&seen).cause, Cause::Unschedulable);
    let mut seen = healthy();
    seen.events.push(object(json!({"metadata": {"name": "e"}, "type": "Warning", "reason": "FailedMount",
        "message": "hostPath type check failed: /etc/localtime is not a file",
        "involvedObject": {"kind": "Pod", "name": "new", "namespace": NAMESPACE}})));
    assert_eq!(only(&seen).cause, Cause::NotStarted);
}

#[test]
fn helm_gave_up_or_a_workload_is_refused() {
    let mut seen = healthy();
    if let Some(release) = &mut seen.release {
        (release.status, release.description) = ("failed".into(), "post-install hooks failed".into());
    }
    assert_eq!(only(&seen).to_string(), "Helm release ks-core, revision 1: post-install hooks failed");
    let mut seen = healthy();
    seen.deployments.remove(0);
    assert_eq!(only(&seen).object, "Deployment kubesphere-system/ks-apiserver");
    let mut seen = healthy();
    seen.deployments.push(object(json!({"metadata": {"name": "x", "namespace": NAMESPACE}, "status": {"conditions": [
        {"type": "ReplicaFailure", "status": "True", "message": "violates PodSecurity \"restricted\""}]}})));
    assert_eq!(only(&seen).message, "violates PodSecurity \"restricted\"");
}

#[test]
fn a_stuck_extension_is_explained_by_what_stands_in_its_way() {
    let mut seen = healthy();
    let mut in_the_way = pod(
        "opensearch-data-0",
        json!({"phase": "Pending", "containerStatuses": [{"name": "c",
        "restartCount": 0, "state": {"waiting": {"reason": "ErrImagePull", "message": "no such image"}}}]}),
    );
    in_the_way.metadata.namespace = Some("y".into());
    seen.pods.push(in_the_way);
    let found = findings(&seen);
    assert_eq!(found.iter().map(|f| f.cause).collect::<Vec<_>>(), [Cause::Image, Cause::Extension]);
    assert_eq!(
        found[1].to_string(),
        "InstallPlan opensearch (kubesphere/ks-console:v4.1.3): Installing: \
        Pod y/opensearch-data-0 (kubesphere/ks-console:v4.1.3): ErrImagePull: no such image"
    );
    let mut seen = healthy();
    seen.plans
        .push(object(json!({"metadata": {"name": "vector"}, "status": {"state": "InstallFailed", "conditions": [
        {"type": "Initialized", "message": ""}, {"type": "Installed", "message": "chart not found"}]}})));
    assert_eq!(only(&seen).message, "InstallFailed: chart not found");
}
