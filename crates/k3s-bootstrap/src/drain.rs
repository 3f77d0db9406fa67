//! Moving a node's pods elsewhere, the way they may refuse: by eviction.

use std::time::Duration;

use k8s_openapi::api::core::v1::{Node, Pod};
use kube::api::{Api, ListParams, Patch, PatchParams};
use serde_json::json;
use steps::{Sink, Wait, chain, wait_for};

use crate::{Cluster, K3sError};

/// How a node is drained.
///
/// ```
/// use k3s_bootstrap::Drain;
/// let patient = Drain { deadline: std::time::Duration::from_secs(1800), ..Drain::default() };
/// assert!(!patient.force);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drain {
    /// How long all pods together may take to go; disruption budgets are asked again and again until then.
    pub deadline: Duration,
    /// Also pods that nothing would bring back: those without a controller.
    pub force: bool,
}

impl Default for Drain {
    /// Five minutes, and pods without a controller stay.
    fn default() -> Self {
        Self { deadline: Duration::from_secs(300), force: false }
    }
}

/// What a drain did.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Drained {
    /// `namespace/pod` that went.
    pub evicted: Vec<String>,
    /// Those that stay by their nature: of a DaemonSet, or started by the kubelet itself.
    pub stayed: Vec<String>,
}

/// What a drain does with a pod.
#[derive(Debug, PartialEq, Eq)]
enum Fate {
    Evict,
    Stay,
    Alone,
}

impl Cluster {
    /// Keeps new pods off a node, or lets them on it again; says whether that was a change.
    pub async fn cordon(&self, node: &str, on: bool) -> Result<bool, K3sError> {
        let api = Api::<Node>::all(self.client());
        let seen = api.get(node).await.map_err(self.api("get node"))?;
        if seen.spec.and_then(|s| s.unschedulable).unwrap_or(false) == on {
            return Ok(false);
        }
        let patch = Patch::Merge(json!({"spec": {"unschedulable": on}}));
        api.patch(node, &PatchParams::default(), &patch).await.map_err(self.api("cordon node"))?;
        Ok(true)
    }

    /// Cordons a node and evicts its pods; comes back when they are gone. Data in emptyDir volumes goes with them.
    pub async fn drain(&self, node: &str, how: &Drain, sink: &dyn Sink) -> Result<Drained, K3sError> {
        let pods = self.pods_on(node).await?;
        let alone: Vec<String> = pods.iter().filter(|p| fate(p) == Fate::Alone).map(full_name).collect();
        if !how.force && !alone.is_empty() {
            return Err(K3sError::Unmanaged { node: node.to_owned(), pods: alone.join(", ") });
        }
        self.cordon(node, true).await?;
        let path = self.eviction_version().await?;
        let stays = pods.iter().filter(|p| fate(p) == Fate::Stay).map(full_name).collect();
        let going: Vec<&Pod> = pods.iter().filter(|p| fate(p) != Fate::Stay).collect();
        let drained = Drained { evicted: going.iter().map(|p| full_name(p)).collect(), stayed: stays };
        let uids: Vec<Option<String>> = going.iter().map(|p| p.metadata.uid.clone()).collect();
        let wait = Wait::new(format!("{node} drained"), how.deadline).every(Duration::from_secs(1));
        wait_for(wait, sink, || async {
            let left = self.pods_on(node).await.map_err(|e| chain(&e))?;
            let mut why = Vec::new();
            for pod in left.iter().filter(|p| uids.contains(&p.metadata.uid)) {
                let refused = match pod.metadata.deletion_timestamp {
                    Some(_) => None,
                    None => self.evict(pod, &path).await.err(),
                };
                why.push(format!("{}: {}", full_name(pod), refused.unwrap_or_else(|| "is ending".into())));
            }
            if why.is_empty() { Ok(()) } else { Err(why.join("; ")) }
        })
        .await?;
        Ok(drained)
    }

    async fn pods_on(&self, node: &str) -> Result<Vec<Pod>, K3sError> {
        let which = ListParams::default().fields(&format!("spec.nodeName={node}"));
        let pods = Api::<Pod>::all(self.client());
        Ok(pods.list(&which).await.map_err(self.api("list the pods of a node"))?.items)
    }

    /// The version of `policy` that this API wants an eviction in: `v1beta1` before 1.22, `v1` since.
    async fn eviction_version(&self) -> Result<String, K3sError> {
        let core = self.client().list_core_api_resources("v1").await.map_err(self.api("discover core/v1"))?;
        let eviction = core.resources.iter().find(|r| r.name == "pods/eviction");
        Ok(eviction.and_then(|r| r.version.clone()).map_or_else(|| "policy/v1".into(), |v| format!("policy/{v}")))
    }

    /// Asks for one eviction; a pod that is gone is none to refuse.
    async fn evict(&self, pod: &Pod, version: &str) -> Result<(), String> {
        let namespace = pod.metadata.namespace.as_deref().unwrap_or("default");
        let name = pod.metadata.name.as_deref().unwrap_or_default();
        let body = json!({
            "apiVersion": version, "kind": "Eviction", "metadata": {"name": name, "namespace": namespace},
            "deleteOptions": {"preconditions": {"uid": pod.metadata.uid}},
        });
        let request = http::Request::post(format!("/api/v1/namespaces/{namespace}/pods/{name}/eviction"))
            .header(http::header::CONTENT_TYPE, "application/json")
            .body(body.to_string().into_bytes())
            .map_err(|e| e.to_string())?;
        match self.client().request::<serde_json::Value>(request).await {
            Ok(_) => Ok(()),
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
            Err(kube::Error::Api(status)) => {
                let causes = status.details.iter().flat_map(|d| &d.causes).map(|c| c.message.clone());
                Err(std::iter::once(status.message.clone()).chain(causes).collect::<Vec<_>>().join(": "))
            }
            Err(e) => Err(chain(&e)),
        }
    }
}

fn full_name(pod: &Pod) -> String {
    let text = |t: &Option<String>| t.clone().unwrap_or_default();
    format!("{}/{}", text(&pod.metadata.namespace), text(&pod.metadata.name))
}

fn fate(pod: &Pod) -> Fate {
    let mirror = pod.metadata.annotations.as_ref().is_some_and(|a| a.contains_key("kubernetes.io/config.mirror"));
    let controller = pod.metadata.owner_references.iter().flatten().find(|o| o.controller == Some(true));
    let finished = matches!(pod.status.as_ref().and_then(|s| s.phase.as_deref()), Some("Succeeded" | "Failed"));
    match controller {
        _ if mirror => Fate::Stay,
        Some(owner) if owner.kind == "DaemonSet" => Fate::Stay,
        None if !finished => Fate::Alone,
        _ => Fate::Evict,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(metadata: serde_json::Value, phase: &str) -> Pod {
        serde_json::from_value(json!({"metadata": metadata, "status": {"phase": phase}})).unwrap()
    }

    #[test]
    fn what_a_drain_does_with_each_kind_of_pod() {
        let owned = |kind: &str| json!({"ownerReferences": [{"kind": kind, "name": "x", "uid": "1", "apiVersion": "apps/v1", "controller": true}]});
        assert_eq!(fate(&pod(owned("ReplicaSet"), "Running")), Fate::Evict);
        assert_eq!(fate(&pod(owned("DaemonSet"), "Running")), Fate::Stay);
        assert_eq!(fate(&pod(json!({"annotations": {"kubernetes.io/config.mirror": "x"}}), "Running")), Fate::Stay);
        assert_eq!(fate(&pod(json!({}), "Running")), Fate::Alone);
        assert_eq!(fate(&pod(json!({}), "Succeeded")), Fate::Evict);
    }
}
