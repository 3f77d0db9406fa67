//! From a prepared machine to a running server or agent.

use std::time::{Duration, Instant};

use machine::{Cmd, Exec, ExecError, RemoteFile};
use secrecy::SecretString;
use steps::{Event, Outcome, Sink, Wait, chain, wait_for};

use crate::fetch::fetch_all;
use crate::files::{KUBECONFIG, read_at_start};
use crate::{AgentSpec, K3sError, Node, ServerSpec, Service, Unit, agent_files, preflight, server_files};

/// What was done on one node.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// How many things were changed; 0 on a second run.
    pub changed: usize,
    /// Files written.
    pub written: Vec<String>,
    /// Files fetched by the node.
    pub fetched: Vec<String>,
    /// Whether the service was started or restarted.
    pub started: bool,
}

/// A restarting service is given up after this many restarts since we started it.
const RESTARTS: u32 = 5;
/// One that ran until we restarted it with other files is given up sooner.
const RESTARTS_OF_ONE_THAT_RAN: u32 = 2;

/// Makes this machine a running server. Blocks until systemd calls the unit active, which for k3s means that its API
/// answers.
pub async fn ensure_server(exec: &dyn Exec, spec: &ServerSpec, sink: &dyn Sink) -> Result<Report, K3sError> {
    ensure(exec, &spec.node, Unit::Server, &server_files(spec)?, sink).await
}

/// Makes this machine a running agent.
pub async fn ensure_agent(exec: &dyn Exec, spec: &AgentSpec, sink: &dyn Sink) -> Result<Report, K3sError> {
    ensure(exec, &spec.node, Unit::Agent, &agent_files(spec)?, sink).await
}

/// The administrator's kubeconfig, as k3s wrote it on a server: the API is at `127.0.0.1` in it.
pub async fn kubeconfig(exec: &dyn Exec) -> Result<SecretString, K3sError> {
    let out = exec.run_ok(&Cmd::new("cat").arg(KUBECONFIG).as_root()).await?;
    Ok(String::from_utf8_lossy(&out.stdout).into_owned().into())
}

pub(crate) async fn ensure(
    exec: &dyn Exec,
    node: &Node,
    unit: Unit,
    files: &[RemoteFile],
    sink: &dyn Sink,
) -> Result<Report, K3sError> {
    let (step, start) = (format!("k3s/{}", node.name), Instant::now());
    sink.emit(Event::Started { step: step.clone() });
    let written = exec.upload(files, true).await?;
    let fetched = fetch_all(exec, node).await?;
    let started = start_service(exec, node, unit, &read_at_start(files, node), sink).await?;
    let changed = written.len() + fetched.len() + usize::from(started);
    let outcome = match (changed, started) {
        (0, _) => Outcome::Unchanged,
        (_, true) => Outcome::Changed(format!("{} started", unit.name())),
        (n, false) => Outcome::Changed(format!("{n} files")),
    };
    sink.emit(Event::Finished { step, outcome, took: start.elapsed() });
    Ok(Report { changed, written, fetched, started })
}

pub(crate) async fn start_service(
    exec: &dyn Exec,
    node: &Node,
    unit: Unit,
    watched: &[String],
    sink: &dyn Sink,
) -> Result<bool, K3sError> {
    let before = Service::look(exec, unit, watched).await?;
    let verb = match before.active.as_str() {
        "active" | "activating" | "reloading" if before.newer.is_empty() => None,
        "active" | "activating" | "reloading" => Some("restart"),
        _ => Some("start"),
    };
    if verb.is_some() || !before.enabled {
        preflight(exec, node).await?;
        // systemd does not forget restarts of a unit that was stopped while it waited for the next one
        const START: &str = "systemctl daemon-reload && systemctl enable --quiet \"$1\" && \
                             { systemctl reset-failed \"$1\" 2> /dev/null || :; } && \
                             { [ -z \"$2\" ] || systemctl --no-block \"$2\" \"$1\"; }";
        let cmd = Cmd::new("sh").args(["-c", START, "sh", unit.name(), verb.unwrap_or("")]).as_root();
        match exec.run_ok(&cmd).await {
            // Whether it was started is unknown: the wait below looks.
            Ok(_) | Err(ExecError::Lost { .. }) => {}
            Err(e) => return Err(e.into()),
        }
    }
    if verb.is_none() && before.is_active() {
        return Ok(!before.enabled);
    }
    let restarts = if verb.is_some() { 0 } else { before.restarts };
    let most =
        restarts + if verb == Some("restart") && before.is_active() { RESTARTS_OF_ONE_THAT_RAN } else { RESTARTS };
    let wait = Wait::new(format!("{} on {}", unit.name(), node.name), node.deadline).every(Duration::from_secs(1));
    let seen = wait_for(wait, sink, || async {
        match Service::look(exec, unit, &[]).await {
            Ok(now) if now.is_active() => Ok(Ok(())),
            Ok(now) if now.active == "failed" || now.restarts >= most => Ok(Err(now)),
            Ok(now) => Err(format!("{}: {}", now.active, now.journal)),
            Err(e) => Err(chain(&e)),
        }
    })
    .await?;
    match seen {
        Ok(()) => Ok(verb.is_some()),
        Err(now) => {
            Err(K3sError::ServiceFailed { node: node.name.clone(), unit: unit.name().to_owned(), last: now.journal })
        }
    }
}
