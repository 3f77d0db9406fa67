//! A pod that does not run, and why.

use kubeapi::DynamicObject;
use serde_json::Value;

use super::{Cause, Finding, Seen, name, text};

/// What a container says when no node can have its image.
const IMAGE: &[&str] = &[
    "ImagePullBackOff",
    "ErrImagePull",
    "InvalidImageName",
    "ErrImageNeverPull",
    "ImageInspectError",
    "RegistryUnavailable",
];
/// Events of a pod that cannot begin.
const NOT_STARTED: &[&str] =
    &["FailedMount", "FailedAttachVolume", "FailedCreatePodSandBox", "FailedPostStartHook", "NetworkNotReady"];

pub(super) fn finding(pod: &DynamicObject, seen: &Seen) -> Option<Finding> {
    let status = &pod.data["status"];
    if status["phase"] == "Succeeded" || pod.metadata.deletion_timestamp.is_some() {
        return None;
    }
    let of = ["initContainerStatuses", "containerStatuses"];
    let containers = of.iter().flat_map(|list| status[list].as_array().into_iter().flatten());
    containers.clone().find_map(|c| image(pod, c)).or_else(|| containers.clone().find_map(|c| crash(pod, c))).or_else(
        || {
            unscheduled(pod, seen).or_else(|| {
                let starting = status["phase"] == "Pending";
                starting.then(|| event(pod, seen, NOT_STARTED)).flatten()
            })
        },
    )
}

fn told(pod: &DynamicObject, cause: Cause, image: String, message: String) -> Finding {
    Finding { cause, object: format!("Pod {}", name(pod)), image, message: one_line(&message) }
}

fn image(pod: &DynamicObject, container: &Value) -> Option<Finding> {
    let waiting = &container["state"]["waiting"];
    let reason = waiting["reason"].as_str().filter(|r| IMAGE.contains(r))?;
    let (image, said) = (asked_image(pod, container), text(&waiting["message"]));
    let message = if said.is_empty() { reason.to_owned() } else { format!("{reason}: {said}") };
    Some(told(pod, Cause::Image, image, message))
}

/// A container in CrashLoopBackOff, or one that has just ended for at least the third time.
fn crash(pod: &DynamicObject, container: &Value) -> Option<Finding> {
    let state = &container["state"];
    let waiting = state["waiting"]["reason"].as_str().unwrap_or_default();
    let created = matches!(waiting, "CreateContainerConfigError" | "CreateContainerError" | "RunContainerError");
    let image = asked_image(pod, container);
    if created {
        let message = format!("{waiting}: {}", text(&state["waiting"]["message"]));
        return Some(told(pod, Cause::NotStarted, image, message));
    }
    let restarts = container["restartCount"].as_u64().unwrap_or(0);
    let ended = [&state["terminated"], &container["lastState"]["terminated"]].into_iter().find(|t| t.is_object());
    let again = restarts >= 3 && state["terminated"].is_object() && state["terminated"]["exitCode"] != 0;
    if waiting != "CrashLoopBackOff" && !again {
        return None;
    }
    let how = ended.map_or_else(String::new, |t| {
        let code = t["exitCode"].as_i64().unwrap_or_default();
        let parts = [text(&t["reason"]), text(&t["message"])];
        let words: Vec<String> = parts.into_iter().filter(|p| !p.is_empty() && p != "Error").collect();
        let why = if words.is_empty() { String::new() } else { format!(" ({})", words.join(": ")) };
        format!("; it ended with code {code}{why}")
    });
    let message = format!("container {} has been started {} times{how}", text(&container["name"]), restarts + 1);
    Some(told(pod, Cause::CrashLoop, image, message))
}

fn unscheduled(pod: &DynamicObject, seen: &Seen) -> Option<Finding> {
    let conditions = super::conditions(&pod.data);
    let condition = conditions.iter().find(|c| c["type"] == "PodScheduled" && c["status"] == "False")?;
    let message = text(&condition["message"]);
    // the claim itself is a finding, and says more
    let claims = pod.data["spec"]["volumes"].as_array().into_iter().flatten();
    let mut claims = claims.filter_map(|v| v["persistentVolumeClaim"]["claimName"].as_str());
    let namespace = pod.metadata.namespace.as_deref().unwrap_or_default();
    let waits_for_claim = message.to_ascii_lowercase().contains("persistentvolumeclaim")
        && claims.any(|claim| seen.claims.iter().any(|c| name(c) == format!("{namespace}/{claim}")));
    let pending = waits_for_claim && super::storage::findings(seen).iter().any(|f| f.object.contains(namespace));
    (!pending).then(|| told(pod, Cause::Unschedulable, String::new(), message))
}

/// The newest warning about this pod among these reasons.
fn event(pod: &DynamicObject, seen: &Seen, reasons: &[&str]) -> Option<Finding> {
    let about = |e: &&DynamicObject| {
        let object = &e.data["involvedObject"];
        let names = (object["namespace"].as_str(), object["name"].as_str());
        object["kind"] == "Pod" && names == (pod.metadata.namespace.as_deref(), pod.metadata.name.as_deref())
    };
    let fits = |e: &&DynamicObject| e.data["reason"].as_str().is_some_and(|r| reasons.contains(&r));
    let event = seen.events.iter().filter(about).filter(fits).max_by_key(|e| text(&e.data["lastTimestamp"]))?;
    let message = format!("{}: {}", text(&event.data["reason"]), text(&event.data["message"]));
    Some(told(pod, Cause::NotStarted, String::new(), message))
}

/// The image as the pod asks for it; the status may name another.
fn asked_image(pod: &DynamicObject, container: &Value) -> String {
    let of = ["initContainers", "containers"];
    let mut specs = of.iter().flat_map(|list| pod.data["spec"][list].as_array().into_iter().flatten());
    let spec = specs.find(|c| c["name"] == container["name"]);
    spec.map_or_else(|| text(&container["image"]), |c| text(&c["image"]))
}

fn one_line(message: &str) -> String {
    message.split_whitespace().collect::<Vec<_>>().join(" ")
}
