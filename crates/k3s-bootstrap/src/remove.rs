//! Taking a node out of its cluster, and k3s off a machine.

use std::time::Duration;

use machine::{Cmd, Exec};
use steps::{Event, Sink};

use crate::{Cluster, Drain, Drained, K3sError, Member, Unit, may_leave};

const UNINSTALL: &str =
    concat!(include_str!("../../../guest/k3s-airlab-end"), include_str!("../../../guest/k3s-airlab-uninstall"));

/// How a node is taken out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Removal {
    /// How its pods are moved elsewhere.
    pub drain: Drain,
    /// Go on where the node cannot be drained in time.
    pub despite_pods: bool,
    /// Whether k3s is taken off the machine too. Otherwise it is only stopped, and does not start by itself.
    pub uninstall: bool,
}

/// What was done.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Removed {
    /// Whether the cluster knew the node.
    pub known: bool,
    /// Its pods; `None` where it was not drained: it was down, or not in the cluster.
    pub drained: Option<Drained>,
    /// Whether its machine was told.
    pub told: bool,
}

/// Takes one node out of the cluster: quorum looked at, drained, k3s kept from starting again, node and node password
/// deleted (k3s then takes a server out of the datastore), k3s stopped. `exec` is its machine where that can be reached,
/// `cluster` must go through another server. Safe to repeat.
pub async fn remove_node(
    cluster: &Cluster,
    exec: Option<&dyn Exec>,
    name: &str,
    how: &Removal,
    sink: &dyn Sink,
) -> Result<Removed, K3sError> {
    let note = |text: String| sink.emit(Event::Note { step: format!("remove/{name}"), text });
    let nodes = cluster.nodes().await?;
    may_leave(&Member::of(&nodes), &[name])?;
    let seen = nodes.iter().find(|n| n.name == name);
    let mut done = Removed { known: seen.is_some(), ..Removed::default() };
    if seen.is_some_and(|n| n.ready) {
        match cluster.drain(name, &how.drain, sink).await {
            Ok(drained) => done.drained = Some(drained),
            Err(e @ (K3sError::TimedOut(_) | K3sError::Unmanaged { .. })) if how.despite_pods => note(e.to_string()),
            Err(e) => return Err(e),
        }
    } else if seen.is_some() {
        note(format!("{name} is not Ready: its pods cannot be moved and go with it"));
    }
    if let Some(exec) = exec {
        hold(exec).await?;
        done.told = true;
    }
    cluster.forget_node(name).await?;
    if let Some(exec) = exec {
        stop(exec).await?;
        if how.uninstall {
            uninstall(exec).await?;
        }
        // Between the two its kubelet may have come back with a new node.
        cluster.forget_node(name).await?;
    }
    Ok(done)
}

/// Keeps k3s from starting again by itself, but lets it run: a server must be in the datastore to be taken out of it.
async fn hold(exec: &dyn Exec) -> Result<(), K3sError> {
    const HOLD: &str = "for unit; do
  [ -e \"/etc/systemd/system/$unit\" ] || continue
  systemctl disable --quiet \"$unit\"
  mkdir -p \"/run/systemd/system/$unit.d\"
  printf '[Service]\\nRestart=no\\n' > \"/run/systemd/system/$unit.d/50-leaving.conf\"
done
systemctl daemon-reload";
    let units = [Unit::Server.name(), Unit::Agent.name()];
    exec.run_ok(&Cmd::new("sh").args(["-c", HOLD, "sh"]).args(units).as_root()).await?;
    Ok(())
}

async fn stop(exec: &dyn Exec) -> Result<(), K3sError> {
    const STOP: &str = "for unit; do
  [ ! -e \"/etc/systemd/system/$unit\" ] || systemctl stop \"$unit\"
  rm -rf \"/run/systemd/system/$unit.d/50-leaving.conf\"
done
systemctl daemon-reload";
    let units = [Unit::Server.name(), Unit::Agent.name()];
    let cmd = Cmd::new("sh").args(["-c", STOP, "sh"]).args(units).as_root().timeout(Duration::from_secs(300));
    exec.run_ok(&cmd).await?;
    Ok(())
}

/// Stops and removes everything of k3s on this node but its node password. Safe to repeat.
pub async fn uninstall(exec: &dyn Exec) -> Result<(), K3sError> {
    let cmd = Cmd::new("sh").arg("-s").as_root().stdin(UNINSTALL).timeout(Duration::from_secs(180));
    exec.run_ok(&cmd).await?;
    Ok(())
}
