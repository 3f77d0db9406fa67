//! Linked clones: made once, whole or not at all.

use std::path::Path;

use super::command::Command;
use super::error::VmrunError;
use super::error_kind::ErrorKind;
use super::recover::Fate;
use super::runner::Vmrun;
use crate::Vmx;

impl Vmrun {
    /// Makes `target` a linked clone of `source` at a snapshot, with this display name, where it is not there yet, and
    /// says whether it did. A clone that an interrupted run left half made is removed and made anew: `target` belongs
    /// to the caller.
    pub async fn ensure_clone(
        &self,
        source: &Path,
        snapshot: &str,
        target: &Path,
        name: &str,
    ) -> Result<bool, VmrunError> {
        if is_whole(target) {
            return Ok(false);
        }
        let command = Command::Clone {
            vmx: source.to_owned(),
            target: target.to_owned(),
            linked: true,
            snapshot: Some(snapshot.to_owned()),
            name: Some(name.to_owned()),
        };
        let mut tries = self.deadlines.tries.max(1);
        loop {
            tries -= 1;
            self.clear(target).await?;
            let ended = self.run(&command).await.map(drop);
            if ended.is_ok() || is_whole(target) {
                break;
            }
            match ended {
                Err(error) if tries == 0 || error.fate() == Fate::Refused => return Err(error),
                _ => tokio::time::sleep(self.deadlines.pause).await,
            }
        }
        if is_whole(target) { Ok(true) } else { Err(half(&command)) }
    }

    /// Removes what is left of a clone that was not finished.
    async fn clear(&self, target: &Path) -> Result<(), VmrunError> {
        if !target.exists() {
            return Ok(());
        }
        let gone = self.run(&Command::delete(target)).await;
        let fail = |source: std::io::Error| crate::VmxError::Io {
            path: target.to_owned(),
            doing: "remove",
            source: source.into(),
        };
        match (gone, target.exists()) {
            (_, false) => Ok(()),
            // VMware refuses a .vmx it cannot read; it is only ours to remove where nothing reads it as a machine.
            (_, true) if Vmx::load(target).is_err() => Ok(std::fs::remove_file(target).map_err(fail)?),
            (Err(error), true) => Err(error),
            (Ok(_), true) => Err(half(&Command::delete(target))),
        }
    }
}

fn half(command: &Command) -> VmrunError {
    let text = "no error, but the machine's files are not as they should be".into();
    VmrunError::Failed { kind: ErrorKind::Other, command: command.argv().join(" "), text, code: 0, cause: None }
}

/// Whether a machine is there with the files of all its disks.
fn is_whole(vmx: &Path) -> bool {
    let Ok(machine) = Vmx::load(vmx) else { return false };
    let folder = vmx.parent().unwrap_or(Path::new("."));
    let mut disks = machine.entries().filter(|(key, value)| {
        let cd = || machine.get(&key.to_ascii_lowercase().replace(".filename", ".deviceType"));
        let disk = key.to_ascii_lowercase().ends_with(".filename") && !key.to_ascii_lowercase().starts_with("serial");
        disk && !value.is_empty() && cd().is_none_or(|kind| !kind.contains("cdrom"))
    });
    disks.all(|(_, file)| folder.join(file).exists())
}
