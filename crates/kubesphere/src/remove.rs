//! Taking KubeSphere out again: extensions in reverse, then the chart, then its namespace.

use std::time::{Duration, Instant};

use kubeapi::{Api, ApiError, DynamicObject, Place, Selection};
use steps::{Event, Sink, Wait};

use crate::core::asked_for;
use crate::extensions::Extension;
use crate::findings::name;
use crate::release::CHARTS;
use crate::{Chart, KubeSphereError, NAMESPACE};

/// Longest time that the release's Pods are waited for; the namespace goes then with what is left in it.
const PODS: Duration = Duration::from_secs(90);
/// A Pod that is there after this long is deleted again, unless it is ending already.
const AGAIN: Duration = Duration::from_secs(5);

/// What starts Pods, owners before what they own.
const WORKLOADS: [(&str, &str); 5] = [
    ("apps/v1", "Deployment"),
    ("apps/v1", "StatefulSet"),
    ("apps/v1", "DaemonSet"),
    ("batch/v1", "Job"),
    ("apps/v1", "ReplicaSet"),
];

/// Removes everything that [`crate::ensure_core`] and [`crate::ensure_extensions`] have installed, data included; says
/// what is gone. On a cluster without KubeSphere it does nothing.
pub async fn remove(api: &Api, deadline: Duration, sink: &dyn Sink) -> Result<Vec<String>, KubeSphereError> {
    let mut gone = Vec::new();
    let order: Vec<String> = Extension::lab().into_iter().map(|e| e.name).collect();
    let mut plans = api.list("kubesphere.io/v1alpha1", "InstallPlan", None).await?;
    // what nobody needs goes first; strangers before ours
    plans.sort_by_key(|plan| std::cmp::Reverse(order.iter().position(|n| *n == name(plan)).unwrap_or(usize::MAX)));
    for plan in plans {
        let place = Place::new("kubesphere.io/v1alpha1", "InstallPlan", &name(&plan));
        api.delete(&place).await?;
        absent(api, &place, deadline, sink).await?;
        gone.push(place.to_string());
    }
    if !asked_for(api).await? {
        return Ok(gone);
    }
    let chart = Place::new("helm.cattle.io/v1", "HelmChart", Chart::NAME).within(CHARTS);
    if api.delete(&chart).await? {
        // its controller runs `helm uninstall` before it lets the object go
        absent(api, &chart, deadline, sink).await?;
        gone.push(chart.to_string());
    }
    let namespace = Place::new("v1", "Namespace", NAMESPACE);
    no_pods(api, sink).await?;
    if api.delete(&namespace).await? {
        absent(api, &namespace, deadline, sink).await?;
        gone.push(namespace.to_string());
    }
    sink.emit(Event::Note { step: "kubesphere".into(), text: format!("{} objects removed", gone.len()) });
    Ok(gone)
}

/// Deletes what starts Pods, and the Pods. Helm leaves that to Kubernetes' garbage collector, which does nothing for up to a
/// minute after custom resource definitions have gone, and they have just gone.
async fn stop_workloads(api: &Api) -> Result<(), KubeSphereError> {
    for (version, kind) in WORKLOADS {
        for object in api.list(version, kind, Some(NAMESPACE)).await? {
            api.delete(&Place::new(version, kind, &name(&object)).within(NAMESPACE)).await?;
        }
    }
    for pod in api.list("v1", "Pod", Some(NAMESPACE)).await?.iter().filter(|pod| goes(pod) && !is_ending(pod)) {
        api.delete(&Place::new("v1", "Pod", &name(pod)).within(NAMESPACE)).await?;
    }
    Ok(())
}

/// Waits until the release's Pods are gone: a namespace that is deleted with Pods in it is looked at again only after a
/// pause that grows with the time they have left, a minute and more. A controller that has not heard yet that its
/// ReplicaSet is gone puts one more Pod in the place of a deleted one, so they are deleted again every few seconds.
async fn no_pods(api: &Api, sink: &dyn Sink) -> Result<(), KubeSphereError> {
    let pods = Selection::all("v1", "Pod").within(NAMESPACE);
    let judge = |pods: &[DynamicObject]| {
        let left = pods.iter().filter(|pod| goes(pod));
        let left: Vec<String> =
            left.map(|pod| format!("{}{}", name(pod), if is_ending(pod) { ", ending" } else { "" })).collect();
        if left.is_empty() { Ok(()) } else { Err(left.join("; ")) }
    };
    let end = Instant::now() + PODS;
    loop {
        stop_workloads(api).await?;
        let wait = Wait::new(format!("Pods to be gone from {NAMESPACE}"), AGAIN);
        match api.wait_until(&pods, wait, sink, judge).await {
            Ok(()) => return Ok(()),
            Err(ApiError::TimedOut(_)) if Instant::now() < end => {}
            Err(ApiError::TimedOut(late)) => {
                let text =
                    format!("Pods are left after {} s: {}; they go with the namespace", PODS.as_secs(), late.last);
                sink.emit(Event::Note { step: "kubesphere".into(), text });
                return Ok(());
            }
            Err(e) => return Err(e.into()),
        }
    }
}

/// Whether a Pod goes without being told: it is on its way already, or its controller takes it along. One that has ended
/// is nobody's burden, and a Pod that somebody has put there goes with the namespace only.
fn goes(pod: &DynamicObject) -> bool {
    let ended = matches!(pod.data["status"]["phase"].as_str(), Some("Succeeded" | "Failed"));
    let mut owners = pod.metadata.owner_references.iter().flatten();
    let owned = owners.any(|owner| owner.controller == Some(true));
    is_ending(pod) || (owned && !ended)
}

/// Whether a Pod has been deleted and is given time to end.
fn is_ending(pod: &DynamicObject) -> bool {
    pod.metadata.deletion_timestamp.is_some()
}

async fn absent(api: &Api, place: &Place, deadline: Duration, sink: &dyn Sink) -> Result<(), KubeSphereError> {
    let wait = Wait::new(format!("{place} to be gone"), deadline);
    let judge = |objects: &[DynamicObject]| match objects.first() {
        None => Ok(()),
        Some(object) => Err(format!("held by {}", object.metadata.finalizers.clone().unwrap_or_default().join(", "))),
    };
    Ok(api.wait_until(&Selection::one(place), wait, sink, judge).await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pod_that_nobody_takes_along_is_not_waited_for() {
        let pod = |metadata: serde_json::Value| -> DynamicObject {
            let status =
                serde_json::json!({"phase": if metadata["name"] == "ended" { "Succeeded" } else { "Running" }});
            let pod = serde_json::json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "status": status});
            serde_json::from_value(pod).unwrap()
        };
        let owner = |name: &str, controller: bool| {
            let owner = serde_json::json!({"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "ks-console-7c9",
                "uid": "1", "controller": controller});
            pod(serde_json::json!({"name": name, "ownerReferences": [owner]}))
        };
        assert!(goes(&owner("p", true)) && !goes(&owner("p", false)) && !goes(&owner("ended", true)));
        assert!(goes(&pod(serde_json::json!({"name": "p", "deletionTimestamp": "2026-01-01T00:00:00Z"}))));
        assert!(!goes(&pod(serde_json::json!({"name": "p"}))));
    }
}
