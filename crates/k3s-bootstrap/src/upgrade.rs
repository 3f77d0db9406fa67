//! Another release of k3s on one node at a time, with the cluster whole before and after. A node that is not healthy with
//! it goes back to what it had.

use std::time::Duration;

use k8s_openapi::api::core::v1 as core;
use kube::api::{Api, ListParams, Patch, PatchParams};
use machine::{Cmd, Exec, RemoteFile};
use serde_json::json;
use steps::{Event, Sink, Wait, chain, wait_for};

use crate::ensure::{Report, ensure};
use crate::files::K3S;
use crate::revert::{keep, revert};
use crate::{Cluster, Drain, Drained, Expected, K3sError, Node, Unit};

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

/// How a node is upgraded.
#[derive(Debug, Clone)]
pub struct Upgrade {
    /// How its pods go elsewhere first, where it is an agent.
    pub drain: Drain,
    /// What the cluster must show before the node is touched, and with it upgraded.
    pub gate: Expected,
    /// How long it may take to show that.
    pub patience: Duration,
    /// The caller has just seen it: after the node before this one, for instance, it need not be looked at again.
    pub seen: bool,
}

impl Upgrade {
    /// An upgrade in a cluster that is expected to look like this, with ten minutes for each look.
    pub fn new(gate: Expected) -> Self {
        Self { drain: Drain::default(), gate, patience: Duration::from_secs(600), seen: false }
    }
}

/// Brings one node to the files in `files`, program and images among `node.artifacts`: an agent is drained first, the
/// service restarted, the node waited for, and let take pods again. One that is right already is only looked at. Where the
/// service, the node or the cluster does not come back healthy, the node gets its old program and files back. The caller
/// goes on to the next node when this one came back, and stops at the first that fails.
pub async fn upgrade_node(
    cluster: &Cluster,
    exec: &dyn Exec,
    node: &Node,
    unit: Unit,
    files: &[RemoteFile],
    how: &Upgrade,
    sink: &dyn Sink,
) -> Result<Upgraded, K3sError> {
    let note = |text: String| sink.emit(Event::Note { step: format!("k3s/{}", node.name), text });
    if !how.seen {
        cluster.wait_conditions(&how.gate, how.patience, sink).await?;
    }
    let kept = keep(exec, node, files).await?;
    let drained = match unit {
        Unit::Agent => {
            cluster.mark(&node.name, true).await?;
            match cluster.drain(&node.name, &how.drain, sink).await {
                Ok(drained) => Some(drained),
                Err(refused) => {
                    cluster.let_in(&node.name).await?;
                    return Err(refused);
                }
            }
        }
        // its control plane is what moves; the pods on it stay where they are while k3s restarts
        Unit::Server => None,
    };
    let changed = async {
        let before = now(exec).await?;
        let report = ensure(exec, node, unit, files, sink).await?;
        let version =
            cluster.wait_back(&node.name, if report.started { before } else { 0 }, how.patience, sink).await?;
        if drained.is_some() {
            cluster.let_in(&node.name).await?;
        }
        cluster.wait_conditions(&how.gate, how.patience, sink).await?;
        Ok::<_, K3sError>((report, version))
    };
    match changed.await {
        Ok((report, version)) => {
            note(format!("{} runs {version}", node.name));
            Ok(Upgraded { report, drained, version })
        }
        // nothing was restarted: what runs is what ran
        Err(why @ K3sError::Fetch { .. }) => {
            if drained.is_some() {
                cluster.let_in(&node.name).await?;
            }
            Err(why)
        }
        Err(why) => {
            note(format!("{} is not healthy with the new program and goes back: {}", node.name, chain(&why)));
            let back = async {
                let before = now(exec).await?;
                revert(exec, node, unit, &kept, sink).await?;
                let version = cluster.wait_back(&node.name, before, how.patience, sink).await?;
                if drained.is_some() {
                    cluster.let_in(&node.name).await?;
                }
                Ok::<_, K3sError>(version)
            };
            let (name, why) = (node.name.clone(), Box::new(why));
            Err(match back.await {
                Ok(version) => K3sError::Reverted { node: name, version, why },
                Err(again) => K3sError::NotReverted { node: name, again: chain(&again), why },
            })
        }
    }
}

/// The node's own clock, in seconds since 1970.
async fn now(exec: &dyn Exec) -> Result<i64, K3sError> {
    Ok(exec.run_ok(&Cmd::new("date").arg("+%s")).await?.text().trim().parse().unwrap_or(0))
}

impl Cluster {
    async fn mark(&self, node: &str, on: bool) -> Result<(), K3sError> {
        let value = on.then_some("true");
        let patch = Patch::Merge(json!({"metadata": {"annotations": {MARK: value}}}));
        let nodes = Api::<core::Node>::all(self.client());
        nodes.patch(node, &PatchParams::default(), &patch).await.map_err(self.api("annotate node"))?;
        Ok(())
    }

    /// Lets pods on a node again that was cordoned for its upgrade.
    async fn let_in(&self, node: &str) -> Result<(), K3sError> {
        self.cordon(node, false).await?;
        self.mark(node, false).await
    }

    /// Waits until a node's kubelet says that it is Ready, and says so after `since` by the node's clock: what it said
    /// before it was restarted is no answer. Gives back its version.
    async fn wait_back(&self, node: &str, since: i64, patience: Duration, sink: &dyn Sink) -> Result<String, K3sError> {
        let nodes = Api::<core::Node>::all(self.client());
        let wait = Wait::new(format!("{node} Ready after its restart"), patience);
        let look = || async {
            let seen = nodes.get(node).await.map_err(|e| chain(&self.api("get node")(e)))?;
            heard(&seen, since)
        };
        Ok(wait_for(wait, sink, look).await?)
    }

    /// Lets pods on those nodes again that an upgrade had cordoned and did not come back to; says which.
    pub async fn let_back(&self) -> Result<Vec<String>, K3sError> {
        let nodes = Api::<core::Node>::all(self.client());
        let list = nodes.list(&ListParams::default()).await.map_err(self.api("list nodes"))?;
        let marked = |node: &core::Node| node.metadata.annotations.as_ref().is_some_and(|a| a.contains_key(MARK));
        let mut names = Vec::new();
        for name in list.items.iter().filter(|n| marked(n)).filter_map(|n| n.metadata.name.clone()) {
            self.let_in(&name).await?;
            names.push(name);
        }
        Ok(names)
    }
}

/// The version of a kubelet that said it is Ready, not before `since`.
fn heard(node: &core::Node, since: i64) -> Result<String, String> {
    let status = node.status.as_ref().ok_or("its kubelet has not reported yet")?;
    let ready = status.conditions.iter().flatten().find(|c| c.type_ == "Ready").ok_or("it is not Ready yet")?;
    if ready.status != "True" {
        return Err(format!("Ready is {}: {}", ready.status, ready.message.as_deref().unwrap_or_default()));
    }
    let said = ready.last_heartbeat_time.as_ref().map_or(0, |t| t.0.as_second());
    if said < since {
        return Err("its kubelet has not reported since the restart".into());
    }
    Ok(status.node_info.as_ref().map(|info| info.kubelet_version.clone()).unwrap_or_default())
}

/// Whether a node has this k3s program already.
pub async fn runs_program(exec: &dyn Exec, sha256: &str) -> Result<bool, K3sError> {
    let out = exec.run(&Cmd::new("sha256sum").arg(K3S).as_root()).await?;
    Ok(out.code == 0 && out.text().starts_with(sha256))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_kubelet_said_before_its_restart_is_no_answer() {
        let node = |status: &str, at: &str| {
            serde_json::from_value::<core::Node>(json!({"status": {
                "conditions": [{"type": "Ready", "status": status, "lastHeartbeatTime": at, "message": "PLEG"}],
                "nodeInfo": {"kubeletVersion": "v1.33.5+k3s1", "architecture": "", "bootID": "", "containerRuntimeVersion": "",
                    "kernelVersion": "", "kubeProxyVersion": "", "machineID": "", "operatingSystem": "", "osImage": "",
                    "systemUUID": ""}}}))
            .unwrap()
        };
        let restart = 1_767_225_600; // 2026-01-01T00:00:00Z
        assert_eq!(heard(&node("True", "2026-01-01T00:00:01Z"), restart).unwrap(), "v1.33.5+k3s1");
        assert!(heard(&node("True", "2025-12-31T23:59:59Z"), restart).unwrap_err().contains("since the restart"));
        assert!(heard(&node("False", "2026-01-01T00:00:01Z"), restart).unwrap_err().contains("PLEG"));
        assert_eq!(heard(&node("True", "2025-12-31T23:59:59Z"), 0).unwrap(), "v1.33.5+k3s1");
    }
}
