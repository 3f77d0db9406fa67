//! Every command of vmrun as a value.

use std::path::{Path, PathBuf};

use super::guest::{GuestLogin, GuestOp, VariableKind};

/// How hard to stop, reset or suspend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PowerMode {
    /// Like pulling the plug.
    Hard,
    /// Through VMware Tools in the guest; fails when they do not run.
    Soft,
}

/// One vmrun command. `vmx` is always the path of the machine's .vmx.
#[derive(Debug, Clone)]
#[allow(missing_docs)] // the fields say what vmrun's own usage text says
pub enum Command {
    /// The .vmx files of all running machines of this user.
    List,
    /// Power on.
    Start { vmx: PathBuf, gui: bool },
    /// Power off.
    Stop { vmx: PathBuf, mode: PowerMode },
    /// Restart.
    Reset { vmx: PathBuf, mode: PowerMode },
    /// Write memory to disk and power off.
    Suspend { vmx: PathBuf, mode: PowerMode },
    /// Halt the processors.
    Pause { vmx: PathBuf },
    /// Let the processors go on.
    Unpause { vmx: PathBuf },
    /// The names of the snapshots, with tabs for their depth when `tree` is set.
    ListSnapshots { vmx: PathBuf, tree: bool },
    /// Take a snapshot.
    Snapshot { vmx: PathBuf, name: String },
    /// Go back to a snapshot.
    RevertToSnapshot { vmx: PathBuf, name: String },
    /// Remove a snapshot, and its children when asked.
    DeleteSnapshot { vmx: PathBuf, name: String, children: bool },
    /// The machine's network adapters.
    ListNetworkAdapters { vmx: PathBuf },
    /// Add a network adapter (`nat`, `bridged`, `hostOnly`, `custom` with a network).
    AddNetworkAdapter { vmx: PathBuf, kind: String, network: Option<String> },
    /// Change a network adapter.
    SetNetworkAdapter { vmx: PathBuf, index: u32, kind: String, network: Option<String> },
    /// Remove a network adapter.
    DeleteNetworkAdapter { vmx: PathBuf, index: u32 },
    /// The virtual networks of this host.
    ListHostNetworks,
    /// The port forwardings of a network.
    ListPortForwardings { network: String },
    /// Forward a port of the host.
    SetPortForwarding {
        network: String,
        protocol: String,
        host_port: u16,
        guest_address: String,
        guest_port: u16,
        description: Option<String>,
    },
    /// Stop forwarding a port.
    DeletePortForwarding { network: String, protocol: String, host_port: u16 },
    /// Connect a device such as `sata0:1`; the machine must be on.
    ConnectNamedDevice { vmx: PathBuf, device: String },
    /// Disconnect a device; the machine must be on.
    DisconnectNamedDevice { vmx: PathBuf, device: String },
    /// Set a variable.
    WriteVariable { vmx: PathBuf, kind: VariableKind, name: String, value: String },
    /// Read a variable.
    ReadVariable { vmx: PathBuf, kind: VariableKind, name: String },
    /// One address of the guest, as its Tools tell it.
    GetGuestIpAddress { vmx: PathBuf, wait: bool },
    /// Whether VMware Tools run in the guest.
    CheckToolsState { vmx: PathBuf },
    /// Mount the Tools installer.
    InstallTools { vmx: PathBuf },
    /// Raise the virtual hardware version.
    UpgradeVm { vmx: PathBuf },
    /// Remove the machine's files; it must be off.
    DeleteVm { vmx: PathBuf },
    /// Copy a machine.
    Clone { vmx: PathBuf, target: PathBuf, linked: bool, snapshot: Option<String>, name: Option<String> },
    /// Share a folder of the host.
    AddSharedFolder { vmx: PathBuf, name: String, host: PathBuf },
    /// Change a shared folder.
    SetSharedFolderState { vmx: PathBuf, name: String, host: PathBuf, writable: bool },
    /// Stop sharing a folder.
    RemoveSharedFolder { vmx: PathBuf, name: String },
    /// Switch shared folders on.
    EnableSharedFolders { vmx: PathBuf, runtime: bool },
    /// Switch shared folders off.
    DisableSharedFolders { vmx: PathBuf, runtime: bool },
    /// Fetch a Photon OS machine.
    DownloadPhotonVm { path: PathBuf },
    /// Something inside the guest, with a login there. The password is visible in the process list while vmrun runs;
    /// nothing in this workspace does it by default.
    Guest { vmx: PathBuf, login: GuestLogin, op: GuestOp },
}

impl Command {
    /// Starts the machine without a window.
    pub fn start(vmx: &Path) -> Self {
        Self::Start { vmx: vmx.to_owned(), gui: false }
    }

    /// Stops the machine.
    pub fn stop(vmx: &Path, mode: PowerMode) -> Self {
        Self::Stop { vmx: vmx.to_owned(), mode }
    }

    /// Disconnects a device such as `sata0:1` from the running machine.
    pub fn disconnect(vmx: &Path, device: &str) -> Self {
        Self::DisconnectNamedDevice { vmx: vmx.to_owned(), device: device.to_owned() }
    }

    /// Removes the machine's files.
    pub fn delete(vmx: &Path) -> Self {
        Self::DeleteVm { vmx: vmx.to_owned() }
    }

    /// The machine the command is about; the source of a clone.
    pub fn vmx(&self) -> Option<&Path> {
        match self {
            Self::List
            | Self::ListHostNetworks
            | Self::ListPortForwardings { .. }
            | Self::SetPortForwarding { .. }
            | Self::DeletePortForwarding { .. }
            | Self::DownloadPhotonVm { .. } => None,
            Self::Start { vmx, .. }
            | Self::Stop { vmx, .. }
            | Self::Reset { vmx, .. }
            | Self::Suspend { vmx, .. }
            | Self::Pause { vmx }
            | Self::Unpause { vmx }
            | Self::ListSnapshots { vmx, .. }
            | Self::Snapshot { vmx, .. }
            | Self::RevertToSnapshot { vmx, .. }
            | Self::DeleteSnapshot { vmx, .. }
            | Self::ListNetworkAdapters { vmx }
            | Self::AddNetworkAdapter { vmx, .. }
            | Self::SetNetworkAdapter { vmx, .. }
            | Self::DeleteNetworkAdapter { vmx, .. }
            | Self::ConnectNamedDevice { vmx, .. }
            | Self::DisconnectNamedDevice { vmx, .. }
            | Self::WriteVariable { vmx, .. }
            | Self::ReadVariable { vmx, .. }
            | Self::GetGuestIpAddress { vmx, .. }
            | Self::CheckToolsState { vmx }
            | Self::InstallTools { vmx }
            | Self::UpgradeVm { vmx }
            | Self::DeleteVm { vmx }
            | Self::Clone { vmx, .. }
            | Self::AddSharedFolder { vmx, .. }
            | Self::SetSharedFolderState { vmx, .. }
            | Self::RemoveSharedFolder { vmx, .. }
            | Self::EnableSharedFolders { vmx, .. }
            | Self::DisableSharedFolders { vmx, .. }
            | Self::Guest { vmx, .. } => Some(vmx),
        }
    }
}
