//! Why an install is stuck: a pure function over what the API shows. A healthy cluster gives no finding.

mod pods;
mod storage;

use kubeapi::DynamicObject;
use serde::Serialize;
use serde_json::Value;

use crate::{NAMESPACE, Release};

/// What is wrong with an object, in the order in which it should be looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// A definition that the core cannot work without is not there.
    MissingDefinition,
    /// An image that no node can get.
    Image,
    /// A volume claim that nobody fulfils.
    PendingClaim,
    /// No node takes the pod.
    Unschedulable,
    /// A container that ends again and again.
    CrashLoop,
    /// A pod that cannot be started for another reason, such as a volume that cannot be mounted.
    NotStarted,
    /// A workload that the API refuses pods for, or that is missing.
    Workload,
    /// Helm gave up.
    Release,
    /// An extension that is not installed, with what stands in its way.
    Extension,
}

/// One thing that is wrong, by name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Finding {
    /// What kind of thing.
    pub cause: Cause,
    /// `Pod kubesphere-system/ks-console-7c9...`.
    pub object: String,
    /// The image that it is about; empty where it is about none.
    pub image: String,
    /// What Kubernetes or Helm says about it.
    pub message: String,
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.object)?;
        if !self.image.is_empty() {
            write!(f, " ({})", self.image)?;
        }
        write!(f, ": {}", self.message)
    }
}

/// What the API shows of KubeSphere, its extensions, and what they stand on.
#[derive(Debug, Default)]
pub struct Seen {
    /// Pods of its namespaces, and of the Helm Jobs.
    pub pods: Vec<DynamicObject>,
    /// Deployments of its namespaces.
    pub deployments: Vec<DynamicObject>,
    /// StatefulSets of its namespaces.
    pub stateful_sets: Vec<DynamicObject>,
    /// Volume claims of its namespaces.
    pub claims: Vec<DynamicObject>,
    /// All storage classes.
    pub storage_classes: Vec<DynamicObject>,
    /// Events of its namespaces.
    pub events: Vec<DynamicObject>,
    /// All definitions.
    pub definitions: Vec<DynamicObject>,
    /// All InstallPlans.
    pub plans: Vec<DynamicObject>,
    /// The core's newest release.
    pub release: Option<Release>,
}

/// The Deployments of every core.
pub(crate) const WORKLOADS: &[&str] = &["ks-apiserver", "ks-controller-manager", "ks-console"];
/// What they cannot work without.
const DEFINITIONS: &[&str] = &[
    "extensions.kubesphere.io",
    "extensionversions.kubesphere.io",
    "installplans.kubesphere.io",
    "repositories.kubesphere.io",
    "users.iam.kubesphere.io",
];

/// Everything that is wrong, what comes first first. Pure.
pub fn findings(seen: &Seen) -> Vec<Finding> {
    let mut found = definitions(seen);
    found.extend(seen.pods.iter().filter_map(|pod| pods::finding(pod, seen)));
    found.extend(storage::findings(seen));
    // a workload whose own pod is named needs no line of its own
    let explained = |workload: &DynamicObject| {
        let prefix = format!("Pod {}-", name(workload));
        found.iter().any(|f| f.object.starts_with(&prefix))
    };
    let workloads = seen.deployments.iter().filter(|w| !explained(w)).filter_map(workload);
    let workloads: Vec<Finding> = workloads.chain(missing(seen)).collect();
    found.extend(workloads);
    found.extend(seen.release.as_ref().filter(|r| r.status == "failed").map(|release| Finding {
        cause: Cause::Release,
        object: format!("Helm release ks-core, revision {}", release.revision),
        image: String::new(),
        message: release.description.clone(),
    }));
    let plans: Vec<Finding> = seen.plans.iter().filter_map(|plan| extension(plan, &found)).collect();
    found.extend(plans);
    found.sort();
    found.dedup();
    found
}

/// Definitions are only missing once the core is said to be there.
fn definitions(seen: &Seen) -> Vec<Finding> {
    if seen.release.as_ref().is_none_or(|r| r.status != "deployed") {
        return Vec::new();
    }
    let there = |wanted: &&&str| seen.definitions.iter().any(|d| d.metadata.name.as_deref() == Some(**wanted));
    let missing = DEFINITIONS.iter().filter(|wanted| !there(wanted)).map(|wanted| Finding {
        cause: Cause::MissingDefinition,
        object: format!("CustomResourceDefinition {wanted}"),
        image: String::new(),
        message: "not there: Helm makes definitions on the first install only, and somebody has deleted it since"
            .into(),
    });
    let refused =
        seen.definitions.iter().filter(|d| d.metadata.name.as_deref().is_some_and(|n| DEFINITIONS.contains(&n)));
    let refused = refused.filter_map(|d| {
        let bad = conditions(&d.data).into_iter().find(|c| c["type"] == "Established" && c["status"] == "False")?;
        Some(Finding {
            cause: Cause::MissingDefinition,
            object: format!("CustomResourceDefinition {}", name(d)),
            image: String::new(),
            message: text(&bad["message"]),
        })
    });
    missing.chain(refused).collect()
}

fn missing(seen: &Seen) -> Vec<Finding> {
    if seen.release.as_ref().is_none_or(|r| r.status != "deployed") {
        return Vec::new();
    }
    let there = |wanted: &str| {
        let mut all = seen.deployments.iter().filter(|d| d.metadata.namespace.as_deref() == Some(NAMESPACE));
        all.any(|d| d.metadata.name.as_deref() == Some(wanted))
    };
    let missing = WORKLOADS.iter().filter(|wanted| !there(wanted));
    missing
        .map(|wanted| Finding {
            cause: Cause::Workload,
            object: format!("Deployment {NAMESPACE}/{wanted}"),
            image: String::new(),
            message: "not there, though Helm says that the release is deployed".into(),
        })
        .collect()
}

/// A Deployment that may not have its pods: quotas, pod security, webhooks.
fn workload(deployment: &DynamicObject) -> Option<Finding> {
    let failure =
        conditions(&deployment.data).into_iter().find(|c| c["type"] == "ReplicaFailure" && c["status"] == "True")?;
    Some(Finding {
        cause: Cause::Workload,
        object: format!("Deployment {}", name(deployment)),
        image: image_of(&deployment.data["spec"]["template"]["spec"]),
        message: text(&failure["message"]),
    })
}

/// An InstallPlan that has failed, or that something stands in the way of.
fn extension(plan: &DynamicObject, found: &[Finding]) -> Option<Finding> {
    let state = text(&plan.data["status"]["state"]);
    let finished = matches!(state.as_str(), "Installed" | "Upgraded" | "Uninstalled");
    if finished {
        return None;
    }
    let namespace = text(&plan.data["status"]["targetNamespace"]);
    let within = format!(" {namespace}/");
    let in_the_way = found.iter().find(|f| !namespace.is_empty() && f.object.contains(&within));
    let failed = state.ends_with("Failed");
    if !failed && in_the_way.is_none() {
        return None;
    }
    let latest = conditions(&plan.data).into_iter().rev().map(|c| text(&c["message"])).find(|m| !m.is_empty());
    let said = in_the_way.map(ToString::to_string).or(latest).unwrap_or_else(|| "no reason is given".into());
    Some(Finding {
        cause: Cause::Extension,
        object: format!("InstallPlan {}", name(plan)),
        image: in_the_way.map(|f| f.image.clone()).unwrap_or_default(),
        message: format!("{}: {said}", if state.is_empty() { "not begun" } else { state.as_str() }),
    })
}

/// `namespace/name`, or the name alone.
pub(crate) fn name(object: &DynamicObject) -> String {
    let name = object.metadata.name.clone().unwrap_or_default();
    object.metadata.namespace.as_ref().map_or(name.clone(), |namespace| format!("{namespace}/{name}"))
}

pub(crate) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

pub(crate) fn conditions(data: &Value) -> Vec<Value> {
    data["status"]["conditions"].as_array().cloned().unwrap_or_default()
}

/// The images of a pod's containers.
fn image_of(spec: &Value) -> String {
    let containers = spec["containers"].as_array().into_iter().flatten();
    containers.map(|c| text(&c["image"])).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests;
