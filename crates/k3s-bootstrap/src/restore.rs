//! Going back to a snapshot: every server stops, one is reset to it, the others join that one anew.

use std::time::Duration;

use machine::{Cmd, Exec, RemoteFile};
use steps::{Event, Sink, Wait, chain, wait_for};

use crate::files::K3S;
use crate::{K3sError, Service, Unit, snapshots};

/// A server's datastore, and what stays of it aside.
const DATASTORE: &str = "/var/lib/rancher/k3s/server/db";
/// A reset reads a whole snapshot and starts etcd once.
const RESET: Duration = Duration::from_secs(600);
const START: Duration = Duration::from_secs(600);

/// Which snapshot, and where it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RestoreFrom<'a> {
    /// The snapshot's name in a server's folder.
    pub name: &'a str,
    /// Which of the servers has it: its place in the list.
    pub holder: usize,
}

/// Restores the cluster of these servers and agents. The first server is the one that is reset: best one that joined
/// nobody. Comes back when every service runs again. Run again after it broke off, it does all of it anew.
pub async fn restore(
    servers: &[&dyn Exec],
    agents: &[&dyn Exec],
    from: RestoreFrom<'_>,
    sink: &dyn Sink,
) -> Result<(), K3sError> {
    let note = |text: String| sink.emit(Event::Note { step: "restore".into(), text });
    let (Some(first), Some(holder)) = (servers.first(), servers.get(from.holder)) else {
        return Err(K3sError::NoSnapshot { name: from.name.to_owned(), known: "no server was named".into() });
    };
    let known = snapshots(*holder).await?;
    let Some(snapshot) = known.iter().find(|s| s.name == from.name) else {
        let known = known.into_iter().map(|s| s.name).collect::<Vec<_>>().join(", ");
        return Err(K3sError::NoSnapshot { name: from.name.to_owned(), known });
    };
    let path = snapshot.path();
    if from.holder != 0 {
        let bytes = holder.run_ok(&Cmd::new("cat").arg(&path).as_root().timeout(START)).await?.stdout;
        first.upload(&[RemoteFile { path: path.clone(), bytes, mode: 0o600 }], true).await?;
        note(format!("{} copied from {} to {}", from.name, holder.target(), first.target()));
    }
    for server in servers.iter().rev() {
        server.run_ok(&Cmd::new("systemctl").args(["stop", Unit::Server.name()]).as_root().timeout(START)).await?;
        note(format!("k3s stopped on {}", server.target()));
    }
    reset(*first, &path).await?;
    note(format!("datastore of {} reset to {}", first.target(), from.name));
    start(*first, Unit::Server, sink).await?;
    for server in &servers[1..] {
        // Kept aside, as the reset does it on the first: the member it was is gone.
        const ASIDE: &str =
            "cd \"$1\" && rm -rf etcd-before-restore && { [ ! -e etcd ] || mv etcd etcd-before-restore; }";
        server.run_ok(&Cmd::new("sh").args(["-c", ASIDE, "sh", DATASTORE]).as_root()).await?;
        start(*server, Unit::Server, sink).await?;
        note(format!("{} joined again", server.target()));
    }
    for agent in agents {
        // A node that is younger than the snapshot registers only when its kubelet starts.
        agent.run_ok(&Cmd::new("systemctl").args(["restart", Unit::Agent.name()]).as_root().timeout(START)).await?;
    }
    Ok(())
}

async fn reset(server: &dyn Exec, snapshot: &str) -> Result<(), K3sError> {
    // the mark of an earlier reset that was not followed by a start
    let mark = format!("{DATASTORE}/reset-flag");
    server.run_ok(&Cmd::new("rm").args(["-f", &mark]).as_root()).await?;
    // k3s refuses a reset while its configuration names a server to join
    const RESTORE: &str = "umask 077; grep -v '^server:' /etc/rancher/k3s/config.yaml > /run/k3s-reset.yaml
exec \"$1\" server --config /run/k3s-reset.yaml --cluster-reset \"--cluster-reset-restore-path=$2\"";
    let cmd = Cmd::new("sh").args(["-c", RESTORE, "sh", K3S, snapshot]).as_root().timeout(RESET);
    let out = server.run(&cmd).await?;
    if out.code == 0 {
        return Ok(());
    }
    let all = out.error_text();
    let last = all.lines().rev().find(|l| l.contains("fatal") || l.contains("error")).or_else(|| all.lines().last());
    Err(K3sError::Snapshot { node: server.target(), last: last.unwrap_or("no output").to_owned() })
}

async fn start(server: &dyn Exec, unit: Unit, sink: &dyn Sink) -> Result<(), K3sError> {
    server.run_ok(&Cmd::new("systemctl").args(["--no-block", "start", unit.name()]).as_root()).await?;
    let wait = Wait::new(format!("{} on {}", unit.name(), server.target()), START).every(Duration::from_secs(1));
    wait_for(wait, sink, || async {
        let now = Service::look(server, unit, &[]).await.map_err(|e| chain(&e))?;
        if now.is_active() { Ok(()) } else { Err(format!("{}: {}", now.active, now.journal)) }
    })
    .await?;
    Ok(())
}
