//! How KubeSphere is: asked of the API, judged by [`crate::findings()`].

use kubeapi::{Api, DynamicObject};
use serde::Serialize;

use crate::findings::{WORKLOADS, name, text};
use crate::release::CHARTS;
use crate::{Finding, KubeSphereError, NAMESPACE, Release, Seen, findings};

/// How KubeSphere is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Status {
    /// Whether everything runs and nothing needs a person.
    pub healthy: bool,
    /// The newest release; none where KubeSphere is not installed.
    pub release: Option<Release>,
    /// The core's workloads.
    pub workloads: Vec<Workload>,
    /// The extensions that were asked for.
    pub extensions: Vec<ExtensionState>,
    /// What is wrong, what comes first first.
    pub findings: Vec<Finding>,
}

/// A Deployment of the core.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Workload {
    /// Its name.
    pub name: String,
    /// Pods that are available.
    pub available: u64,
    /// Pods that are wanted.
    pub wanted: u64,
}

/// An extension that was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ExtensionState {
    /// Its name.
    pub name: String,
    /// The version that was asked for.
    pub version: String,
    /// `Installing`, `Installed`, ...; empty before its controller has seen it.
    pub state: String,
}

/// Asks the API for everything and judges it.
pub async fn status(api: &Api) -> Result<Status, KubeSphereError> {
    let seen = seen(api).await?;
    Ok(judged(&seen))
}

/// The status of what was seen. Pure.
fn judged(seen: &Seen) -> Status {
    let workloads: Vec<Workload> = WORKLOADS.iter().filter_map(|wanted| workload(wanted, &seen.deployments)).collect();
    let state = |plan: &DynamicObject| ExtensionState {
        name: name(plan),
        version: text(&plan.data["spec"]["extension"]["version"]),
        state: text(&plan.data["status"]["state"]),
    };
    let extensions: Vec<ExtensionState> = seen.plans.iter().map(state).collect();
    let findings = findings(seen);
    let deployed = seen.release.as_ref().is_some_and(|r| r.status == "deployed");
    let up = workloads.len() == WORKLOADS.len() && workloads.iter().all(|w| w.available >= w.wanted);
    let settled = extensions.iter().all(|e| matches!(e.state.as_str(), "Installed" | "Upgraded"));
    let healthy = deployed && up && settled && findings.is_empty();
    Status { healthy, release: seen.release.clone(), workloads, extensions, findings }
}

fn workload(wanted: &str, deployments: &[DynamicObject]) -> Option<Workload> {
    let found = deployments.iter().find(|d| name(d) == format!("{NAMESPACE}/{wanted}"))?;
    let number = |value: &serde_json::Value| value.as_u64();
    // counts of an older specification do not count
    let current = found.data["status"]["observedGeneration"].as_i64() >= found.metadata.generation;
    let available = if current { number(&found.data["status"]["availableReplicas"]).unwrap_or(0) } else { 0 };
    Some(Workload { name: wanted.to_owned(), available, wanted: number(&found.data["spec"]["replicas"]).unwrap_or(1) })
}

/// Everything that [`findings()`] looks at.
pub(crate) async fn seen(api: &Api) -> Result<Seen, KubeSphereError> {
    let mut seen = Seen {
        definitions: api.list("apiextensions.k8s.io/v1", "CustomResourceDefinition", None).await?,
        storage_classes: api.list("storage.k8s.io/v1", "StorageClass", None).await?,
        plans: api.list("kubesphere.io/v1alpha1", "InstallPlan", None).await?,
        release: Release::newest(&api.list("v1", "Secret", Some(NAMESPACE)).await?),
        ..Seen::default()
    };
    let mut namespaces = vec![NAMESPACE.to_owned()];
    namespaces
        .extend(seen.plans.iter().map(|plan| text(&plan.data["status"]["targetNamespace"])).filter(|n| !n.is_empty()));
    namespaces.sort();
    namespaces.dedup();
    for namespace in &namespaces {
        let within = Some(namespace.as_str());
        seen.pods.extend(api.list("v1", "Pod", within).await?);
        seen.deployments.extend(api.list("apps/v1", "Deployment", within).await?);
        seen.stateful_sets.extend(api.list("apps/v1", "StatefulSet", within).await?);
        seen.claims.extend(api.list("v1", "PersistentVolumeClaim", within).await?);
        seen.events.extend(api.list("v1", "Event", within).await?);
    }
    let helm = |object: &DynamicObject| object.metadata.name.as_deref().is_some_and(|n| n.contains("-ks-core"));
    seen.pods.extend(api.list("v1", "Pod", Some(CHARTS)).await?.into_iter().filter(helm));
    let about = |event: &DynamicObject| text(&event.data["involvedObject"]["name"]).contains("-ks-core");
    seen.events.extend(api.list("v1", "Event", Some(CHARTS)).await?.into_iter().filter(about));
    Ok(seen)
}

/// The first finding as an error; `prefer` names an object whose finding comes first if there is one.
pub(crate) async fn explained(api: &Api, prefer: &str) -> Result<Option<KubeSphereError>, KubeSphereError> {
    let found = findings(&seen(api).await?);
    let first = found.iter().find(|f| f.object == prefer).or(found.first());
    Ok(first.map(|first| KubeSphereError::Stuck {
        object: first.object.clone(),
        image: first.image.clone(),
        cause: first.message.clone(),
        others: found.iter().filter(|f| *f != first).map(ToString::to_string).collect::<Vec<_>>().join("; "),
    }))
}
