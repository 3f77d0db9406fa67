//! Snapshots: taken once, gone back to.

use std::path::Path;

use super::command::Command;
use super::error::VmrunError;
use super::error_kind::ErrorKind;
use super::parse::{self, SnapshotName};
use super::recover::Fate;
use super::runner::Vmrun;

impl Vmrun {
    /// The machine's snapshots with their depth, parents first.
    pub async fn snapshots(&self, vmx: &Path) -> Result<Vec<SnapshotName>, VmrunError> {
        let command = Command::ListSnapshots { vmx: vmx.to_owned(), tree: true };
        let text = self.run(&command).await?;
        parse::snapshots(&text).ok_or_else(|| VmrunError::answer(&command, &text))
    }

    /// Takes a snapshot of this name where there is none, and says whether it did.
    pub async fn ensure_snapshot(&self, vmx: &Path, name: &str) -> Result<bool, VmrunError> {
        self.change_snapshots(vmx, name, true, &Command::Snapshot { vmx: vmx.to_owned(), name: name.to_owned() }).await
    }

    /// Removes the snapshot of this name where there is one, not its children, and says whether it did.
    pub async fn ensure_no_snapshot(&self, vmx: &Path, name: &str) -> Result<bool, VmrunError> {
        let command = Command::DeleteSnapshot { vmx: vmx.to_owned(), name: name.to_owned(), children: false };
        self.change_snapshots(vmx, name, false, &command).await
    }

    /// Goes back to the snapshot of this name. A machine that ran is off afterwards, unless the snapshot holds a
    /// running one.
    pub async fn revert(&self, vmx: &Path, name: &str) -> Result<(), VmrunError> {
        let command = Command::RevertToSnapshot { vmx: vmx.to_owned(), name: name.to_owned() };
        self.run(&command).await.map(drop)
    }

    async fn has_snapshot(&self, vmx: &Path, name: &str) -> Result<bool, VmrunError> {
        Ok(self.snapshots(vmx).await?.iter().any(|s| s.name == name))
    }

    /// Runs the command until the list shows the snapshot, or no longer shows it.
    async fn change_snapshots(
        &self,
        vmx: &Path,
        name: &str,
        there: bool,
        command: &Command,
    ) -> Result<bool, VmrunError> {
        if self.has_snapshot(vmx, name).await? == there {
            return Ok(false);
        }
        let mut tries = self.deadlines.tries.max(1);
        loop {
            tries -= 1;
            let ended = self.run(command).await.map(drop);
            if self.has_snapshot(vmx, name).await? == there {
                return Ok(true);
            }
            match ended {
                Err(error) if tries == 0 || error.fate() == Fate::Refused => return Err(error),
                Ok(()) if tries == 0 => return Err(no_effect(command, there)),
                _ => tokio::time::sleep(self.deadlines.pause).await,
            }
        }
    }
}

/// vmrun said that it went well, and the list says that it did not.
fn no_effect(command: &Command, there: bool) -> VmrunError {
    let kind = if there { ErrorKind::SnapshotMissing } else { ErrorKind::SnapshotConflict };
    let text = "no error, but the list of snapshots did not change".into();
    VmrunError::Failed { kind, command: command.argv().join(" "), text, code: 0, cause: None }
}
