//! A machine's power state: looked at, changed where needed, looked at again.

use std::path::{Path, PathBuf};

use steps::{Silent, Wait, wait_for};

use super::command::{Command, PowerMode};
use super::error::VmrunError;
use super::error_kind::ErrorKind;
use super::parse;
use super::path::same_path;
use super::recover::{Fate, Next};
use super::runner::Vmrun;
use crate::lock;

impl Vmrun {
    /// Whether the machine is on.
    pub async fn is_running(&self, vmx: &Path) -> Result<bool, VmrunError> {
        Ok(self.all_running().await?.iter().any(|other| same_path(other, vmx)))
    }

    /// The machines of this user that are on.
    pub async fn all_running(&self) -> Result<Vec<PathBuf>, VmrunError> {
        let text = self.run(&Command::List).await?;
        parse::running(&text).ok_or_else(|| VmrunError::answer(&Command::List, &text))
    }

    /// Starts the machine where it is off, and says whether it did. After a failure or a time-out the state decides.
    pub async fn ensure_running(&self, vmx: &Path) -> Result<bool, VmrunError> {
        if self.is_running(vmx).await? {
            return Ok(false);
        }
        self.power_on(vmx).await?;
        self.settled(vmx, true).await?;
        Ok(true)
    }

    /// Starts what is off of these machines side by side, as many at once as the gate lets through, and says which it
    /// started. The list is asked for once before and once after, not for each machine.
    pub async fn ensure_all_running(&self, machines: &[PathBuf]) -> Result<Vec<PathBuf>, VmrunError> {
        let on = self.all_running().await?;
        let off: Vec<&PathBuf> = machines.iter().filter(|m| !on.iter().any(|other| same_path(other, m))).collect();
        let ended = futures_util::future::join_all(off.iter().map(|vmx| self.power_on(vmx))).await;
        ended.into_iter().collect::<Result<(), _>>()?;
        if !off.is_empty() {
            self.all_settled(&off, true).await?;
        }
        Ok(off.into_iter().cloned().collect())
    }

    /// Stops the machine where it is on, and says whether it did: softly first, then hard. Comes back when VMware has
    /// let go of its files too, or has not done so in the time for that.
    pub async fn ensure_stopped(&self, vmx: &Path) -> Result<bool, VmrunError> {
        if !self.is_running(vmx).await? {
            return Ok(false);
        }
        let soft = self.run(&Command::stop(vmx, PowerMode::Soft)).await;
        if soft.is_err() && self.is_running(vmx).await? {
            self.carry_out(vmx, false, &Command::stop(vmx, PowerMode::Hard), ErrorKind::NotRunning).await?;
        }
        self.settled(vmx, false).await?;
        lock::released(vmx, self.deadlines.locks).await;
        Ok(true)
    }

    /// Stops the machine and removes its files, and says whether there was anything to remove.
    pub async fn ensure_deleted(&self, vmx: &Path) -> Result<bool, VmrunError> {
        if !vmx.exists() {
            return Ok(false);
        }
        self.ensure_stopped(vmx).await?;
        let command = Command::delete(vmx);
        let mut tries = self.deadlines.tries.max(1);
        loop {
            tries -= 1;
            match self.run(&command).await {
                Ok(_) => return Ok(true),
                Err(error) if error.kind() == Some(ErrorKind::VmNotFound) => return Ok(false),
                Err(_) if !vmx.exists() => return Ok(true),
                Err(error) if tries == 0 || error.fate() == Fate::Refused => return Err(error),
                Err(_) => tokio::time::sleep(self.deadlines.pause).await,
            }
        }
    }

    async fn power_on(&self, vmx: &Path) -> Result<(), VmrunError> {
        self.carry_out(vmx, true, &Command::start(vmx), ErrorKind::AlreadyRunning).await
    }

    /// Runs a command that switches the machine on or off until it has, or fails for good. `done` is the refusal that
    /// means it is so already. A look lies between any two calls.
    async fn carry_out(&self, vmx: &Path, on: bool, command: &Command, done: ErrorKind) -> Result<(), VmrunError> {
        let mut tries = self.deadlines.tries.max(1);
        loop {
            tries -= 1;
            let error = match self.run(command).await {
                Ok(_) => return Ok(()),
                Err(error) if error.kind() == Some(done) => return Ok(()),
                Err(error) => error,
            };
            let next = error.next(command);
            if next == Next::GiveUp {
                return Err(error);
            }
            // A vmrun that was ended at its deadline may have been about to succeed.
            let hung = matches!(error, VmrunError::Exec(_));
            let came = if hung { self.settled(vmx, on).await.is_ok() } else { self.is_running(vmx).await? == on };
            if came {
                return Ok(());
            }
            // VMware's own reason for a start that was canceled will not go away by itself.
            let reasoned = matches!(&error, VmrunError::Failed { cause: Some(_), .. });
            if tries == 0 || reasoned {
                return Err(error);
            }
            tokio::time::sleep(self.deadlines.pause).await;
        }
    }

    pub(super) async fn settled(&self, vmx: &Path, on: bool) -> Result<(), VmrunError> {
        self.all_settled(&[&vmx.to_owned()], on).await
    }

    async fn all_settled(&self, machines: &[&PathBuf], on: bool) -> Result<(), VmrunError> {
        let limit = self.deadlines.settle;
        let what = format!("{} machines to be {}", machines.len(), if on { "running" } else { "off" });
        let wait = Wait::new(what, limit).every(self.beat());
        let last = std::sync::Mutex::new(machines.first().map(|m| (*m).clone()).unwrap_or_default());
        let seen = wait_for(wait, &Silent, || async {
            let list = self.all_running().await.map_err(|e| e.to_string())?;
            match machines.iter().find(|m| list.iter().any(|other| same_path(other, m)) != on) {
                None => Ok(()),
                Some(other) => {
                    last.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone_from(other);
                    Err("not yet".to_owned())
                }
            }
        });
        let ended = seen.await;
        let vmx = last.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
        let state = if on { "off" } else { "running" };
        ended.map_err(|_| VmrunError::State { vmx: vmx.display().to_string(), state, seconds: limit.as_secs() })
    }
}
