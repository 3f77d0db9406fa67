//! Volume claims that nobody fulfils.

use kubeapi::DynamicObject;

use super::{Cause, Finding, Seen, name, text};

const DEFAULT: &str = "storageclass.kubernetes.io/is-default-class";

pub(super) fn findings(seen: &Seen) -> Vec<Finding> {
    let pending = seen.claims.iter().filter(|claim| claim.data["status"]["phase"] == "Pending");
    pending.filter_map(|claim| finding(claim, seen)).collect()
}

fn finding(claim: &DynamicObject, seen: &Seen) -> Option<Finding> {
    let wanted = claim.data["spec"]["storageClassName"].as_str();
    let class = match wanted {
        Some(wanted) => seen.storage_classes.iter().find(|c| c.metadata.name.as_deref() == Some(wanted)),
        None => seen.storage_classes.iter().find(|c| {
            c.metadata.annotations.as_ref().and_then(|a| a.get(DEFAULT)).is_some_and(|value| value == "true")
        }),
    };
    let message = match (class, wanted) {
        (None, Some(wanted)) => format!("it asks for the storage class {wanted}, which is not there"),
        (None, None) => "it asks for the default storage class, and no class is the default".to_owned(),
        (Some(class), _) => {
            let late = class.data["volumeBindingMode"] == "WaitForFirstConsumer";
            let said = said(claim, seen);
            // such a claim rightly waits for a pod; with a pod, it waits for a volume
            if late && !used(claim, seen) {
                return None;
            }
            let provisioner = text(&class.data["provisioner"]);
            let name = class.metadata.name.clone().unwrap_or_default();
            said.unwrap_or_else(|| format!("{provisioner}, which the storage class {name} names, has made no volume"))
        }
    };
    Some(Finding {
        cause: Cause::PendingClaim,
        object: format!("PersistentVolumeClaim {}", name(claim)),
        image: String::new(),
        message,
    })
}

/// Whether a pod waits for it.
fn used(claim: &DynamicObject, seen: &Seen) -> bool {
    let of_pod = |pod: &&DynamicObject| pod.metadata.namespace == claim.metadata.namespace;
    let uses = |pod: &DynamicObject| {
        let mut volumes = pod.data["spec"]["volumes"].as_array().into_iter().flatten();
        volumes.any(|v| v["persistentVolumeClaim"]["claimName"].as_str() == claim.metadata.name.as_deref())
    };
    let placed = |pod: &DynamicObject| pod.data["spec"]["nodeName"].is_string();
    // a pod that has just come is not a reason yet: it is one when it was looked at, or placed
    let looked_at = |pod: &DynamicObject| super::conditions(&pod.data).iter().any(|c| c["type"] == "PodScheduled");
    seen.pods.iter().filter(of_pod).any(|pod| uses(pod) && (placed(pod) || looked_at(pod)))
}

/// The newest warning about it.
fn said(claim: &DynamicObject, seen: &Seen) -> Option<String> {
    let about = |e: &&DynamicObject| {
        let object = &e.data["involvedObject"];
        object["kind"] == "PersistentVolumeClaim"
            && object["name"].as_str() == claim.metadata.name.as_deref()
            && object["namespace"].as_str() == claim.metadata.namespace.as_deref()
            && e.data["type"] == "Warning"
    };
    let event = seen.events.iter().filter(about).max_by_key(|e| text(&e.data["lastTimestamp"]))?;
    Some(format!("{}: {}", text(&event.data["reason"]), text(&event.data["message"])))
}
