//! A machine's power state: looked at, changed where needed, looked at again.

use std::path::Path;
use std::time::Duration;

use machine::ExecError;
use steps::{Silent, Wait, wait_for};

use super::command::{Command, PowerMode};
use super::error::{ErrorKind, VmrunError};
use super::parse;
use super::runner::Vmrun;

/// How long a power state may lag behind the command that changed it.
const SETTLE: Duration = Duration::from_secs(30);

impl Vmrun {
    /// Whether the machine is on.
    pub async fn is_running(&self, vmx: &Path) -> Result<bool, VmrunError> {
        let text = self.run(&Command::List).await?;
        let running = parse::running(&text).ok_or_else(|| VmrunError::answer(&Command::List, &text))?;
        Ok(running.iter().any(|other| same_path(other, vmx)))
    }

    /// Starts the machine where it is off, and says whether it did. After a failure or a time-out the state decides.
    pub async fn ensure_running(&self, vmx: &Path) -> Result<bool, VmrunError> {
        if self.is_running(vmx).await? {
            return Ok(false);
        }
        match self.run(&Command::start(vmx)).await {
            Ok(_) => {}
            Err(error) if error.kind() == Some(ErrorKind::AlreadyRunning) => {}
            Err(error) if retried(&error) && self.is_running(vmx).await? => {}
            Err(error) => return Err(error),
        }
        self.settled(vmx, true).await?;
        Ok(true)
    }

    /// Stops the machine where it is on, and says whether it did: softly first, then hard.
    pub async fn ensure_stopped(&self, vmx: &Path) -> Result<bool, VmrunError> {
        if !self.is_running(vmx).await? {
            return Ok(false);
        }
        let soft = self.run(&Command::stop(vmx, PowerMode::Soft)).await;
        if soft.is_err() && self.is_running(vmx).await? {
            match self.run(&Command::stop(vmx, PowerMode::Hard)).await {
                Ok(_) => {}
                Err(error) if error.kind() == Some(ErrorKind::NotRunning) => {}
                Err(error) if retried(&error) && !self.is_running(vmx).await? => {}
                Err(error) => return Err(error),
            }
        }
        self.settled(vmx, false).await?;
        Ok(true)
    }

    /// Stops the machine and removes its files, and says whether there was anything to remove.
    pub async fn ensure_deleted(&self, vmx: &Path) -> Result<bool, VmrunError> {
        if !vmx.exists() {
            return Ok(false);
        }
        self.ensure_stopped(vmx).await?;
        match self.run(&Command::delete(vmx)).await {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == Some(ErrorKind::VmNotFound) => Ok(false),
            Err(_) if !vmx.exists() => Ok(true),
            Err(error) => Err(error),
        }
    }

    /// Takes the medium out of a drive such as `sata0:1`, and says whether anything changed: by command where the
    /// machine is on, in its configuration where it is off.
    pub async fn disconnect(&self, vmx: &Path, device: &str) -> Result<bool, VmrunError> {
        if self.is_running(vmx).await? {
            self.run(&Command::disconnect(vmx, device)).await?;
            return Ok(true);
        }
        let key = format!("{device}.startConnected");
        Ok(crate::edit(vmx, SETTLE, |v| {
            if v.is_true(&key) {
                v.set(&key, "FALSE");
            }
        })
        .await?)
    }

    async fn settled(&self, vmx: &Path, on: bool) -> Result<(), VmrunError> {
        let what = format!("{} to be {}", vmx.display(), if on { "running" } else { "off" });
        let wait = Wait::new(what, SETTLE).every(Duration::from_millis(200));
        let seen = wait_for(wait, &Silent, || async {
            match self.is_running(vmx).await {
                Ok(state) if state == on => Ok(()),
                Ok(_) => Err("not yet".to_owned()),
                Err(error) => Err(error.to_string()),
            }
        });
        let state = if on { "off" } else { "running" };
        let failed = |_| VmrunError::State { vmx: vmx.display().to_string(), state, seconds: SETTLE.as_secs() };
        seen.await.map_err(failed)
    }
}

/// Whether the command may have had its effect in spite of the error.
fn retried(error: &VmrunError) -> bool {
    matches!(error, VmrunError::Failed { .. } | VmrunError::Exec(ExecError::TimedOut { .. } | ExecError::Lost { .. }))
}

/// Whether two paths mean one .vmx to VMware: case does not matter, `\` is `/`.
pub fn same_path(a: &Path, b: &Path) -> bool {
    let plain = |p: &Path| p.to_string_lossy().replace('\\', "/").to_lowercase();
    let full = |p: &Path| p.canonicalize().or_else(|_| std::path::absolute(p)).unwrap_or_else(|_| p.to_owned());
    plain(a) == plain(b) || plain(&full(a)) == plain(&full(b))
}
