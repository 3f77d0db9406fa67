//! Nodes leave: drained, out of the cluster, their machines deleted.

use std::time::Duration;

use k3s_bootstrap::{Cluster, Drained, Member, Removal, may_leave, remove_node};
use lab::Node;
use machine::{Exec, Ssh};
use serde::Serialize;
use steps::Sink;

use crate::run::Run;
use crate::secrets::Secrets;
use crate::{AirlabError, Context, Failure, golden, hosts, kubeconfig};

/// What became of a node that was to leave.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Left {
    /// Its name.
    pub node: String,
    /// Where its pods went from; none where it was down.
    pub drained: Option<Drained>,
    /// What was done, in order.
    pub changes: Vec<String>,
}

/// Takes these nodes out of the cluster, one after the other, and deletes their machines with their disks; existing hosts are
/// left without anything of ours. Looked at first
/// for all of them: a majority of the servers must stay up at every step. The lab file is the caller's affair.
pub async fn remove(context: &Context, names: &[String], how: &Removal, sink: &dyn Sink) -> Result<Vec<Left>, Failure> {
    let (lab, files) = (&context.lab, &context.files);
    let mut nodes: Vec<&Node> = Vec::new();
    for name in names {
        nodes.push(context.node(name)?);
    }
    let secrets = Secrets::load(lab, files)?;
    let run = Run::new(lab, files, sink);
    let vmrun = context.provider.vmrun();
    let leaving: Vec<&str> = names.iter().map(String::as_str).collect();
    may_leave(&Member::of(&cluster_of_others(context, &[]).await?.nodes().await?), &leaving)?;
    let cluster = cluster_of_others(context, names).await?;
    let mut left = Vec::new();
    for node in nodes {
        let before = run.changes().len();
        let step = format!("remove/{}", node.name);
        let removed = run.step(&step, async {
            let ssh = Ssh::connect(&secrets.ssh(node), Duration::from_secs(5)).await.ok();
            let ssh = match ssh {
                Some(ssh) if node.host.is_some() && !hosts::is_ours(&secrets, &ssh).await? => {
                    run.note(&step, format!("{}: nothing of this lab is on it; left as it is", node.name));
                    None
                }
                other => other,
            };
            let exec = ssh.as_ref().map(|ssh| ssh as &dyn Exec);
            let removed = remove_node(&cluster, exec, &node.name, how, sink).await?;
            run.changed_if(removed.known, format!("{}: out of the cluster", node.name));
            if let (Some(_), Some(ssh)) = (&node.host, &ssh) {
                hosts::leave(&run, &secrets, node, ssh).await?;
            }
            let folder = files.machine(&node.name);
            // a machine of an existing host's name is not that host's to lose
            if node.host.is_none() && folder.exists() {
                golden::remove(&vmrun, &files.vmx(&node.name), &folder).await?;
                run.changed(format!("{}: machine and disk deleted", node.name));
            }
            Ok(removed)
        });
        let drained = removed.await?.drained;
        left.push(Left { node: node.name.clone(), drained, changes: run.changes().split_off(before) });
    }
    Ok(left)
}

/// Moves the pods of a node elsewhere and keeps new ones off, or lets them on it again.
pub async fn drain(
    context: &Context,
    name: &str,
    how: &k3s_bootstrap::Drain,
    sink: &dyn Sink,
) -> Result<Drained, Failure> {
    let node = context.node(name)?;
    let cluster = cluster_of_others(context, &[]).await?;
    Ok(cluster.drain(&node.name, how, sink).await?)
}

/// Lets pods on a node again; says whether they were kept off.
pub async fn uncordon(context: &Context, name: &str) -> Result<bool, Failure> {
    let node = context.node(name)?;
    Ok(cluster_of_others(context, &[]).await?.cordon(&node.name, false).await?)
}

/// The cluster through a server that stays and answers.
pub(crate) async fn cluster_of_others(context: &Context, leaving: &[String]) -> Result<Cluster, Failure> {
    let cluster = Cluster::new(&kubeconfig::inside(context)?).await?;
    let staying = context.lab.servers().filter(|n| !leaving.contains(&n.name)).map(Node::api);
    let expected = k3s_bootstrap::Expected { servers: staying.collect(), ..Default::default() };
    if expected.servers.is_empty() {
        // the last server: the majority's rule says no with the right words
        return Ok(cluster);
    }
    Ok(cluster.answering(&expected).await.unwrap_or(cluster))
}

impl Context {
    /// A node of the lab.
    pub(crate) fn node(&self, name: &str) -> Result<&Node, Failure> {
        let known = || self.lab.nodes.iter().map(|n| n.name.as_str()).collect::<Vec<_>>().join(", ");
        let missing = || AirlabError::NoSuchNode { node: name.to_owned(), known: known() }.into();
        self.lab.node(name).ok_or_else(missing)
    }
}
