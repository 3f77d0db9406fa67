//! The lifecycle calls of the wrapper: what each needs beforehand, how it is made, and how its success is seen.

use std::fs;
use std::path::{Path, PathBuf};

use vmware::vmrun::{Command, Vmrun, VmrunError};

use crate::proof::{Fail, ensure};

/// One kind of call, in the order of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Call {
    IsRunning,
    EnsureRunning,
    EnsureStopped,
    EnsureDeleted,
    Disconnect,
    EnsureSnapshot,
    EnsureNoSnapshot,
    Revert,
    EnsureClone,
    Tools,
    Address,
}

pub(super) const CALLS: &[Call] = &[
    Call::IsRunning,
    Call::EnsureRunning,
    Call::EnsureStopped,
    Call::EnsureDeleted,
    Call::Disconnect,
    Call::EnsureSnapshot,
    Call::EnsureNoSnapshot,
    Call::Revert,
    Call::EnsureClone,
    Call::Tools,
    Call::Address,
];

const DRIVE: &str = "sata0:1";
const SNAPSHOT: &str = "base";
const ANOTHER: &str = "another";

impl Call {
    /// Its name in the table.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::IsRunning => "is_running",
            Self::EnsureRunning => "ensure_running",
            Self::EnsureStopped => "ensure_stopped",
            Self::EnsureDeleted => "ensure_deleted",
            Self::Disconnect => "disconnect",
            Self::EnsureSnapshot => "ensure_snapshot",
            Self::EnsureNoSnapshot => "ensure_no_snapshot",
            Self::Revert => "revert",
            Self::EnsureClone => "ensure_clone",
            Self::Tools => "tools",
            Self::Address => "address",
        }
    }

    /// The vmrun command that does its work, which is the one with the fault.
    pub(super) fn command(self) -> &'static str {
        match self {
            Self::IsRunning => "list",
            Self::EnsureRunning => "start",
            Self::EnsureStopped => "stop",
            Self::EnsureDeleted => "deleteVM",
            Self::Disconnect => "disconnectNamedDevice",
            Self::EnsureSnapshot => "snapshot",
            Self::EnsureNoSnapshot => "deleteSnapshot",
            Self::Revert => "revertToSnapshot",
            Self::EnsureClone => "clone",
            Self::Tools => "checkToolsState",
            Self::Address => "getGuestIPAddress",
        }
    }

    /// Whether the machine is on when the call is made.
    fn on(self) -> bool {
        matches!(self, Self::IsRunning | Self::EnsureStopped | Self::Disconnect | Self::Tools | Self::Address)
    }
}

/// A row of the table at work: one call, its machine, and vmrun without faults to prepare and to look.
pub(super) struct Row {
    pub(super) call: Call,
    pub(super) vmx: PathBuf,
    pub(super) plain: Vmrun,
    /// Makes the machine anew after it was deleted.
    pub(super) make: Box<dyn Fn() -> Result<PathBuf, Fail> + Send + Sync>,
}

impl Row {
    fn clone_at(&self) -> PathBuf {
        let folder = self.vmx.with_file_name("clone");
        folder.join("clone.vmx")
    }

    /// Brings the machine into the state that the call expects.
    pub(super) async fn prepare(&self) -> Result<(), Fail> {
        let (vmx, plain) = (self.vmx.as_path(), &self.plain);
        if !vmx.exists() {
            (self.make)()?;
        }
        if self.call.on() {
            plain.ensure_running(vmx).await?;
            if self.call != Call::EnsureStopped {
                self.until_tools().await?;
            }
        } else if plain.is_running(vmx).await? {
            plain.run(&Command::stop(vmx, vmware::vmrun::PowerMode::Hard)).await?;
        }
        match self.call {
            Call::Disconnect => {
                plain.run(&Command::ConnectNamedDevice { vmx: vmx.to_owned(), device: DRIVE.into() }).await?;
            }
            Call::EnsureSnapshot => drop(plain.ensure_no_snapshot(vmx, ANOTHER).await?),
            Call::EnsureNoSnapshot => drop(plain.ensure_snapshot(vmx, ANOTHER).await?),
            Call::Revert => drop(plain.ensure_snapshot(vmx, SNAPSHOT).await?),
            Call::EnsureClone => {
                plain.ensure_snapshot(vmx, SNAPSHOT).await?;
                if self.clone_at().exists() {
                    plain.ensure_deleted(&self.clone_at()).await?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    async fn until_tools(&self) -> Result<(), Fail> {
        let command = Command::CheckToolsState { vmx: self.vmx.clone() };
        for _ in 0..100 {
            if self.plain.run(&command).await?.trim() == "running" && self.ask_address(&self.plain).await.is_ok() {
                return Ok(());
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        Err(Fail(format!("{}: its system does not come up", self.vmx.display())))
    }

    async fn ask_address(&self, vmrun: &Vmrun) -> Result<std::net::IpAddr, String> {
        let command = Command::GetGuestIpAddress { vmx: self.vmx.clone(), wait: false };
        let text = vmrun.run(&command).await.map_err(|e| e.to_string())?;
        vmware::vmrun::guest_address(&text).ok_or(text)
    }

    /// Makes the call.
    pub(super) async fn make(&self, vmrun: &Vmrun) -> Result<(), VmrunError> {
        let vmx = self.vmx.as_path();
        match self.call {
            Call::IsRunning => vmrun.is_running(vmx).await.map(drop),
            Call::EnsureRunning => vmrun.ensure_running(vmx).await.map(drop),
            Call::EnsureStopped => vmrun.ensure_stopped(vmx).await.map(drop),
            Call::EnsureDeleted => vmrun.ensure_deleted(vmx).await.map(drop),
            Call::Disconnect => vmrun.disconnect(vmx, DRIVE).await.map(drop),
            Call::EnsureSnapshot => vmrun.ensure_snapshot(vmx, ANOTHER).await.map(drop),
            Call::EnsureNoSnapshot => vmrun.ensure_no_snapshot(vmx, ANOTHER).await.map(drop),
            Call::Revert => vmrun.revert(vmx, SNAPSHOT).await,
            Call::EnsureClone => vmrun.ensure_clone(vmx, SNAPSHOT, &self.clone_at(), "clone").await.map(drop),
            Call::Tools => vmrun.run(&Command::CheckToolsState { vmx: vmx.to_owned() }).await.map(drop),
            Call::Address => {
                let command = Command::GetGuestIpAddress { vmx: vmx.to_owned(), wait: false };
                vmrun.run(&command).await.map(drop)
            }
        }
    }

    /// Whether the world is as a call that went well leaves it, seen without faults. A call whose machine lost its
    /// power meanwhile (`cut`) has told the truth of its own moment.
    pub(super) async fn look(&self, cut: bool) -> Result<(), Fail> {
        let (vmx, plain) = (self.vmx.as_path(), &self.plain);
        let snapshots =
            async || Ok::<_, Fail>(plain.snapshots(vmx).await?.into_iter().map(|s| s.name).collect::<Vec<_>>());
        match self.call {
            Call::IsRunning | Call::Tools | Call::Address if cut => {}
            Call::IsRunning | Call::EnsureRunning | Call::Tools | Call::Address => {
                ensure!(plain.is_running(vmx).await?, "the machine is off");
            }
            Call::EnsureStopped => ensure!(!plain.is_running(vmx).await?, "the machine is on"),
            Call::EnsureDeleted => ensure!(!vmx.exists() && left(vmx)?.is_empty(), "still there: {:?}", left(vmx)?),
            Call::Disconnect => {
                let text = fs::read_to_string(vmx)?;
                ensure!(text.contains("sata0:1.startConnected = \"FALSE\""), "the drive still has its medium");
            }
            Call::EnsureSnapshot => ensure!(snapshots().await?.iter().any(|s| s == ANOTHER), "no snapshot"),
            Call::EnsureNoSnapshot => ensure!(!snapshots().await?.iter().any(|s| s == ANOTHER), "still a snapshot"),
            Call::Revert => ensure!(snapshots().await?.iter().any(|s| s == SNAPSHOT), "the snapshot is gone"),
            Call::EnsureClone => ensure!(self.clone_at().exists(), "no clone"),
        }
        Ok(())
    }
}

/// Files of a machine that was deleted, but for the medium, which is not its own.
fn left(vmx: &Path) -> Result<Vec<String>, Fail> {
    let mut names = Vec::new();
    for entry in fs::read_dir(vmx.parent().unwrap_or(vmx)).into_iter().flatten() {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.retain(|name| name != "medium.iso");
    Ok(names)
}
