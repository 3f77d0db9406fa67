//! What vmrun's failures mean. They are recognized by the `Error:` lines and the exit code alone, never by stderr.

use machine::ExecError;
use steps::Problem;

use super::command::Command;

/// What an `Error:` line means (texts of open-vm-tools' `vix.h`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// There is no such .vmx.
    VmNotFound,
    /// The .vmx cannot be read; right after a suspend this may pass.
    BadVmx,
    /// The machine is encrypted and wants a password.
    Encrypted,
    /// The machine is off.
    NotRunning,
    /// The machine is on already.
    AlreadyRunning,
    /// VMware Tools do not run in the guest (yet).
    ToolsNotRunning,
    /// The guest's address is not known (yet).
    NoAddress,
    /// User name or password of the guest are wrong, missing, or the user is not logged in at the console.
    GuestLogin,
    /// The program in the guest ended with this exit code.
    GuestExit(i32),
    /// A file in the guest is not there or not allowed.
    GuestFile,
    /// The host's operating system refused.
    HostPermission,
    /// A dialog came up that nobody could answer; `vmware.log` says which.
    Canceled,
    /// VMware is busy or does not answer; trying again may help.
    Busy,
    /// vmrun itself cannot work on this host.
    HostBroken,
    /// A snapshot of that name is there already, or there are several.
    SnapshotConflict,
    /// There is no such snapshot.
    SnapshotMissing,
    /// A file of the machine is locked.
    Locked,
    /// vmrun did not understand us.
    NotUnderstood,
    /// Anything else.
    Other,
}

const KINDS: &[(&str, ErrorKind)] = &[
    ("virtual machine cannot be found", ErrorKind::VmNotFound),
    ("unknown file suffix", ErrorKind::NotUnderstood),
    ("Cannot read the virtual machine configuration file", ErrorKind::BadVmx),
    ("password is required for this operation", ErrorKind::Encrypted),
    ("is not powered on", ErrorKind::NotRunning),
    ("is already running", ErrorKind::AlreadyRunning),
    ("Tools are not running", ErrorKind::ToolsNotRunning),
    ("Unable to get the IP address", ErrorKind::NoAddress),
    ("Invalid user name or password for the guest OS", ErrorKind::GuestLogin),
    ("Anonymous guest operations are not allowed", ErrorKind::GuestLogin),
    ("must be logged in interactively", ErrorKind::GuestLogin),
    ("Insufficient permissions in the host operating system", ErrorKind::HostPermission),
    ("operation was canceled", ErrorKind::Canceled),
    ("Unable to connect to host", ErrorKind::Busy),
    ("operation is not supported for the specified parameters", ErrorKind::Busy),
    ("vmrun was unable to start", ErrorKind::HostBroken),
    ("snapshot with the name already exists", ErrorKind::SnapshotConflict),
    ("name is not unique", ErrorKind::SnapshotConflict),
    ("snapshot does not exist", ErrorKind::SnapshotMissing),
    ("Invalid snapshot name", ErrorKind::SnapshotMissing),
    ("lock", ErrorKind::Locked),
    ("A file was not found", ErrorKind::GuestFile),
    ("do not have access rights to this file", ErrorKind::GuestFile),
    ("Unrecognized command", ErrorKind::NotUnderstood),
    ("Invalid argument", ErrorKind::NotUnderstood),
];

const GUEST_EXIT: &str = "exited with non-zero exit code:";

/// What an answer says: `None` when the command went well.
pub(super) fn classify(stdout: &str, stderr: &str, code: i32) -> Option<(ErrorKind, String)> {
    let lines = || stdout.lines().map(str::trim).filter(|l| !l.is_empty());
    let marked = lines().find_map(|l| l.strip_prefix("Error:")).map(str::trim);
    if code == 0 && marked.is_none() {
        return None;
    }
    let known = |l: &&str| KINDS.iter().any(|(text, _)| l.contains(text)) || l.contains(GUEST_EXIT);
    let last_error = || stderr.lines().map(str::trim).rfind(|l| !l.is_empty());
    let text = marked.or_else(|| lines().find(known)).or_else(|| lines().next_back()).or_else(last_error);
    let text = text.unwrap_or("no output").to_owned();
    let exit = text.split_once(GUEST_EXIT).and_then(|(_, n)| n.trim().parse().ok());
    let kind = KINDS.iter().find(|(known, _)| text.contains(known)).map_or(ErrorKind::Other, |(_, kind)| *kind);
    Some((exit.map_or(kind, ErrorKind::GuestExit), text))
}

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
