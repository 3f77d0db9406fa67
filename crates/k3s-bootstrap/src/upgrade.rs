//! Another release of k3s on one node at a time, with the cluster whole before and after.

use std::time::Duration;

use k8s_openapi::api::core::v1 as core;
use kube::api::{Api, ListParams, Patch, PatchParams};
use machine::{Cmd, Exec};
use serde_json::json;
use steps::{Event, Sink};

use crate::ensure::{Report, ensure};
use crate::files::K3S;
use crate::{Cluster, Drain, Drained, K3sError, Node, Unit};

/// On a node that was cordoned for an upgrade, so that one that broke off does not leave it so.
const MARK: &str = "airlab.io/cordoned-for-upgrade";

/// What an upgrade of one node did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upgraded {
    /// What changed on it.
    pub report: Report,
    /// Its pods that went elsewhere meanwhile; none for a server.
    pub drained: Option<Drained>,
    /// The version of its kubelet afterwards.
    pub version: String,
}

/// Brings one node to the files in `files`, program and images among `node.artifacts`: an agent is drained first, the
/// service restarted, the node waited for, and let take pods again. One that is right already is only looked at. The caller
/// goes on to the next node when this one came back, and stops at the first that fails.
pub async fn upgrade_node(
    cluster: &Cluster,
    exec: &dyn Exec,
    node: &Node,
    unit: Unit,
    files: &[machine::RemoteFile],
    drain: &Drain,
    sink: &dyn Sink,
) -> Result<Upgraded, K3sError> {
    let drained = match unit {
        Unit::Agent => {
            cluster.mark(&node.name, true).await?;
            Some(cluster.drain(&node.name, drain, sink).await?)
        }
        // its control plane is what moves; the pods on it stay where they are while k3s restarts
        Unit::Server => None,
    };
    let report = ensure(exec, node, unit, files, sink).await?;
    let names = [node.name.clone()];
    let nodes = cluster.wait_ready(&names, Duration::from_secs(600), sink).await?;
    if drained.is_some() {
        cluster.cordon(&node.name, false).await?;
        cluster.mark(&node.name, false).await?;
    }
    let version = nodes.into_iter().find(|n| n.name == node.name).map(|n| n.version).unwrap_or_default();
    sink.emit(Event::Note { step: format!("k3s/{}", node.name), text: format!("{} runs {version}", node.name) });
    Ok(Upgraded { report, drained, version })
}

impl Cluster {
    async fn mark(&self, node: &str, on: bool) -> Result<(), K3sError> {
        let value = on.then_some("true");
        let patch = Patch::Merge(json!({"metadata": {"annotations": {MARK: value}}}));
        let nodes = Api::<core::Node>::all(self.client());
        nodes.patch(node, &PatchParams::default(), &patch).await.map_err(self.api("annotate node"))?;
        Ok(())
    }

    /// Lets pods on those nodes again that an upgrade had cordoned and did not come back to; says which.
    pub async fn let_back(&self) -> Result<Vec<String>, K3sError> {
        let nodes = Api::<core::Node>::all(self.client());
        let list = nodes.list(&ListParams::default()).await.map_err(self.api("list nodes"))?;
        let marked = |node: &core::Node| node.metadata.annotations.as_ref().is_some_and(|a| a.contains_key(MARK));
        let mut names = Vec::new();
        for name in list.items.iter().filter(|n| marked(n)).filter_map(|n| n.metadata.name.clone()) {
            self.cordon(&name, false).await?;
            self.mark(&name, false).await?;
            names.push(name);
        }
        Ok(names)
    }
}

/// Whether a node has this k3s program already.
pub async fn runs_program(exec: &dyn Exec, sha256: &str) -> Result<bool, K3sError> {
    let out = exec.run(&Cmd::new("sha256sum").arg(K3S).as_root()).await?;
    Ok(out.code == 0 && out.text().starts_with(sha256))
}
