//! How long vmrun may take: it is known to hang on start, on stop and inside guests.

use std::time::Duration;

use super::command::{Command, PowerMode};

/// The longest time of each kind of call, and of the waits around calls. Embedding code may set any of them.
///
/// ```
/// use std::time::Duration;
/// use vmware::vmrun::{Command, Deadlines};
/// let short = Deadlines { quick: Duration::from_secs(2), ..Deadlines::default() };
/// assert_eq!(short.of(&Command::List), Duration::from_secs(2));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadlines {
    /// Questions, devices, variables: 30 s.
    pub quick: Duration,
    /// Power on: 300 s.
    pub start: Duration,
    /// Soft stop and reset, suspend, delete: 120 s.
    pub stop: Duration,
    /// Taking, reverting and deleting snapshots: 600 s.
    pub snapshot: Duration,
    /// Clones and downloads: an hour.
    pub copy: Duration,
    /// Programs and file copies inside the guest: 600 s.
    pub guest: Duration,
    /// How long a state may lag behind the command that changed it: 30 s.
    pub settle: Duration,
    /// How long VMware's lock folders may stay after a machine went off: 120 s, as packer waits.
    pub locks: Duration,
    /// Pause before a call is tried again: 2 s.
    pub pause: Duration,
    /// How often a call is made at the most where doing it again is safe: 3 times.
    pub tries: u32,
}

impl Default for Deadlines {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self {
            quick: seconds(30),
            start: seconds(300),
            stop: seconds(120),
            snapshot: seconds(600),
            copy: seconds(3600),
            guest: seconds(600),
            settle: seconds(30),
            locks: seconds(120),
            pause: seconds(2),
            tries: 3,
        }
    }
}

impl Deadlines {
    /// The longest time of one call of this command.
    pub fn of(&self, command: &Command) -> Duration {
        match command {
            Command::Start { .. } => self.start,
            Command::Clone { .. } | Command::DownloadPhotonVm { .. } => self.copy,
            Command::Snapshot { .. } | Command::RevertToSnapshot { .. } | Command::DeleteSnapshot { .. } => {
                self.snapshot
            }
            Command::Stop { mode: PowerMode::Soft, .. } | Command::Reset { mode: PowerMode::Soft, .. } => self.stop,
            Command::Suspend { .. } | Command::DeleteVm { .. } => self.stop,
            Command::GetGuestIpAddress { wait: true, .. } => self.stop,
            Command::Guest { op, .. } if op.is_long() => self.guest,
            _ => self.quick,
        }
    }
}
