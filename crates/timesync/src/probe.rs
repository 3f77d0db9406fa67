//! Asking a node for its clock.

use std::time::Duration;

use machine::{Cmd, Exec, ExecError, Output};
use steps::Problem;

use crate::guest::{CLOCK, SCRIPT};
use crate::{Clock, State};

/// A node's clock could not be measured or put right.
#[derive(Debug, thiserror::Error)]
pub enum ClockError {
    /// The command did not run.
    #[error(transparent)]
    Exec(#[from] ExecError),
    /// The node does not trust the registry's certificate.
    #[error("{node}: the registry's certificate is not trusted: {last}")]
    Untrusted {
        /// The node, as its connection names it.
        node: String,
        /// What it said.
        last: String,
    },
    /// The clock is wrong and the node cannot put it right.
    #[error("{node}: clock is off by {offset} and cannot be set there: {last}")]
    Wrong {
        /// The node.
        node: String,
        /// How far off.
        offset: String,
        /// What it said.
        last: String,
    },
    /// The node's answer makes no sense.
    #[error("{node}: no answer about its clock: {last}")]
    Unreadable {
        /// The node.
        node: String,
        /// What it said.
        last: String,
    },
}

impl Problem for ClockError {
    fn id(&self) -> &'static str {
        match self {
            Self::Exec(e) => e.id(),
            Self::Untrusted { .. } => "AL-TIM-001",
            Self::Wrong { .. } => "AL-TIM-002",
            Self::Unreadable { .. } => "AL-TIM-003",
        }
    }

    fn args(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::Exec(e) => e.args(),
            Self::Untrusted { node, last } | Self::Unreadable { node, last } => {
                vec![("node", node.clone()), ("last", last.clone())]
            }
            Self::Wrong { node, offset, last } => {
                vec![("node", node.clone()), ("offset", offset.clone()), ("last", last.clone())]
            }
        }
    }
}

const LONG: Duration = Duration::from_secs(240);

/// Measures a node's clock against the registry and changes nothing. An unreachable registry is not an error:
/// the reading's state is [`State::Degraded`], and says why.
pub async fn measure(exec: &dyn Exec) -> Result<Clock, ClockError> {
    let cmd = Cmd::new("sh").args([SCRIPT, "--measure"]).as_root().timeout(LONG);
    read(exec, exec.run(&cmd).await?)
}

/// Lets the node put its clock right now, and gives back what it recorded.
pub async fn sync(exec: &dyn Exec) -> Result<Clock, ClockError> {
    let script = Cmd::new("sh").args(["-c", "\"$1\" >&2; code=$?; cat \"$2\"; exit $code", "sh", SCRIPT, CLOCK]);
    let out = exec.run(&script.as_root().timeout(LONG)).await?;
    let clock = read(exec, out)?;
    match (clock.state, clock.offset) {
        (State::Wrong, Some(offset)) => {
            let last = if clock.why.is_empty() { "its clock is the host's".to_owned() } else { clock.why };
            Err(ClockError::Wrong { node: exec.target(), offset: offset.to_string(), last })
        }
        _ => Ok(clock),
    }
}

/// What the node recorded at its last own measurement, without asking anybody; `None` before the first.
pub async fn recorded(exec: &dyn Exec) -> Result<Option<Clock>, ClockError> {
    let out = exec.run(&Cmd::new("cat").arg(CLOCK)).await?;
    if out.code != 0 { Ok(None) } else { read(exec, out).map(Some) }
}

fn read(exec: &dyn Exec, out: Output) -> Result<Clock, ClockError> {
    let last = |text: String| text.lines().last().unwrap_or("no output").to_owned();
    match serde_json::from_str::<Clock>(&out.text()) {
        Ok(clock) if clock.state == State::Untrusted => {
            Err(ClockError::Untrusted { node: exec.target(), last: last(out.error_text()) })
        }
        Ok(clock) => Ok(clock),
        Err(_) => Err(ClockError::Unreadable { node: exec.target(), last: last(out.error_text()) }),
    }
}
