//! A vmrun command that did not do what it should.

use machine::ExecError;
use steps::Problem;

use super::command::Command;
use super::error_kind::ErrorKind;

/// A vmrun command did not do what it should.
#[derive(Debug, thiserror::Error)]
pub enum VmrunError {
    /// vmrun answered with a failure.
    #[error("{command}: {text} (exit code {code}){}", cause.as_ref().map(|c| format!("; vmware.log: {c}")).unwrap_or_default())]
    Failed {
        /// What the failure means.
        kind: ErrorKind,
        /// The command, without secrets.
        command: String,
        /// vmrun's own words.
        text: String,
        /// Its exit code.
        code: i32,
        /// What `vmware.log` says about it, where it does.
        cause: Option<String>,
    },
    /// vmrun could not be run, or did not come back in time.
    #[error("vmrun")]
    Exec(#[from] ExecError),
    /// The answer is not the one this command gives.
    #[error("{command}: unexpected answer: {text}")]
    Answer {
        /// The command.
        command: String,
        /// The answer's beginning.
        text: String,
    },
    /// The command went well, but the machine is not in the state it should have.
    #[error("{vmx}: still {state} after {seconds} s")]
    State {
        /// The machine.
        vmx: String,
        /// `off` or `running`.
        state: &'static str,
        /// How long it was looked at.
        seconds: u64,
    },
    /// The machine's configuration could not be changed.
    #[error("vmx")]
    Vmx(#[from] crate::VmxError),
}

impl VmrunError {
    /// What the failure means, where vmrun said it.
    pub fn kind(&self) -> Option<ErrorKind> {
        match self {
            Self::Failed { kind, .. } => Some(*kind),
            _ => None,
        }
    }

    pub(super) fn answer(command: &Command, text: &str) -> Self {
        Self::Answer { command: command.argv().join(" "), text: text.chars().take(200).collect() }
    }
}

impl Problem for VmrunError {
    fn id(&self) -> &'static str {
        match self {
            Self::Failed { kind, .. } => match kind {
                ErrorKind::VmNotFound => "AL-VMR-001",
                ErrorKind::BadVmx => "AL-VMR-002",
                ErrorKind::Encrypted => "AL-VMR-003",
                ErrorKind::NotRunning => "AL-VMR-004",
                ErrorKind::AlreadyRunning => "AL-VMR-005",
                ErrorKind::ToolsNotRunning | ErrorKind::NoAddress => "AL-VMR-006",
                ErrorKind::GuestLogin => "AL-VMR-007",
                ErrorKind::GuestExit(_) | ErrorKind::GuestFile => "AL-VMR-008",
                ErrorKind::HostPermission => "AL-VMR-009",
                ErrorKind::Canceled => "AL-VMR-010",
                ErrorKind::Busy => "AL-VMR-011",
                ErrorKind::HostBroken => "AL-VMR-012",
                ErrorKind::SnapshotConflict | ErrorKind::SnapshotMissing => "AL-VMR-013",
                ErrorKind::Locked => "AL-VMR-014",
                ErrorKind::NotUnderstood => "AL-VMR-015",
                ErrorKind::Other => "AL-VMR-016",
                ErrorKind::NotPossible => "AL-VMR-019",
            },
            Self::Answer { .. } => "AL-VMR-017",
            Self::State { .. } => "AL-VMR-018",
            Self::Exec(error) => error.id(),
            Self::Vmx(error) => error.id(),
        }
    }

    fn args(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::Failed { command, text, code, cause, .. } => vec![
                ("command", command.clone()),
                ("text", text.clone()),
                ("code", code.to_string()),
                ("cause", cause.clone().unwrap_or_else(|| text.clone())),
            ],
            Self::Answer { command, text } => vec![("command", command.clone()), ("text", text.clone())],
            Self::State { vmx, state, seconds } => {
                vec![("vmx", vmx.clone()), ("state", (*state).to_owned()), ("seconds", seconds.to_string())]
            }
            Self::Exec(error) => error.args(),
            Self::Vmx(error) => error.args(),
        }
    }
}
