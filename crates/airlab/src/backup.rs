//! Snapshots of a lab's datastore, and going back to one.

use std::time::Duration;

use futures_util::future::try_join_all;
use k3s_bootstrap::{Cluster, Condition, RestoreFrom, Snapshot, Standing};
use lab::{Node, Role};
use machine::{Exec, Ssh};
use serde::Serialize;
use steps::Sink;

use crate::run::Run;
use crate::secrets::Secrets;
use crate::{Context, Failure, conditions, kubeconfig};

/// A snapshot and the server that has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Kept {
    /// The server.
    pub server: String,
    /// The snapshot.
    #[serde(flatten)]
    pub snapshot: Snapshot,
}

/// Logins to these nodes, all of which must answer.
async fn connect<'a>(
    secrets: &Secrets,
    nodes: impl Iterator<Item = &'a Node>,
) -> Result<Vec<(&'a Node, Ssh)>, Failure> {
    let connect = nodes.map(|node| async move {
        Ok::<_, Failure>((node, Ssh::connect(&secrets.ssh(node), Duration::from_secs(20)).await?))
    });
    try_join_all(connect).await
}

/// The snapshots of all servers, oldest first.
pub async fn snapshots(context: &Context) -> Result<Vec<Kept>, Failure> {
    let secrets = Secrets::load(&context.lab, &context.files)?;
    let mut all = Vec::new();
    for (node, ssh) in connect(&secrets, context.lab.servers()).await? {
        let found = k3s_bootstrap::snapshots(&ssh).await?;
        all.extend(found.into_iter().map(|snapshot| Kept { server: node.name.clone(), snapshot }));
    }
    all.sort_by(|a, b| (a.snapshot.made, &a.snapshot.name).cmp(&(b.snapshot.made, &b.snapshot.name)));
    Ok(all)
}

/// Saves the datastore on the first server. The token it is of no use without is the lab's own, in its folder.
pub async fn save(context: &Context, name: &str) -> Result<Kept, Failure> {
    let secrets = Secrets::load(&context.lab, &context.files)?;
    let first = context.lab.first_server();
    let ssh = Ssh::connect(&secrets.ssh(first), Duration::from_secs(20)).await?;
    let snapshot = k3s_bootstrap::save_snapshot(&ssh, name).await?;
    Ok(Kept { server: first.name.clone(), snapshot })
}

/// Goes back to a snapshot: every server stops, one is reset, the others join it anew, agents start again; waits until the
/// cluster is whole.
pub async fn restore(context: &Context, name: &str, sink: &dyn Sink) -> Result<Vec<Condition>, Failure> {
    let (lab, files) = (&context.lab, &context.files);
    let secrets = Secrets::load(lab, files)?;
    let run = Run::new(lab, files, sink);
    let mut servers = connect(&secrets, lab.servers()).await?;
    let agents = connect(&secrets, lab.nodes.iter().filter(|n| n.role == Role::Agent)).await?;
    // Reset is the one that joins nobody.
    let mut joins = Vec::new();
    for (_, ssh) in &servers {
        joins.push(Standing::look(ssh).await?.joined.is_some());
    }
    if let Some(place) = joins.iter().position(|joins| !joins) {
        servers.swap(0, place);
    }
    let mut holder = 0;
    for (place, (_, ssh)) in servers.iter().enumerate() {
        if k3s_bootstrap::snapshots(ssh).await?.iter().any(|s| s.name == name) {
            holder = place;
            break;
        }
    }
    let execs = |list: &'_ [(&Node, Ssh)]| list.iter().map(|(_, ssh)| ssh.clone()).collect::<Vec<Ssh>>();
    let (servers, agents) = (execs(&servers), execs(&agents));
    run.step("restore", async {
        let servers: Vec<&dyn Exec> = servers.iter().map(|s| s as &dyn Exec).collect();
        let agents: Vec<&dyn Exec> = agents.iter().map(|s| s as &dyn Exec).collect();
        k3s_bootstrap::restore(&servers, &agents, RestoreFrom { name, holder }, sink).await?;
        run.changed(format!("cluster restored to {name}"));
        Ok(())
    })
    .await?;
    run.step("ready", async {
        let cluster = Cluster::new(&kubeconfig::inside(context)?).await?;
        Ok(cluster.wait_conditions(&conditions::by_api(lab), conditions::READY, sink).await?)
    })
    .await
}
