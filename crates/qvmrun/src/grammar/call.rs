//! A command line, understood.

use super::{GuestOp, Own};

/// How to stop or reset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum How {
    Soft,
    Hard,
}

/// Which variables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Variables {
    /// The machine's configuration.
    Config,
    /// The environment of programs in the guest.
    GuestEnv,
    /// `guestinfo.` variables.
    GuestVar,
}

/// One command line, understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Call {
    List,
    ListHostNetworks,
    Start {
        vmx: String,
    },
    Stop {
        vmx: String,
        how: How,
    },
    Reset {
        vmx: String,
        how: How,
    },
    Suspend {
        vmx: String,
    },
    Pause {
        vmx: String,
        paused: bool,
    },
    ListSnapshots {
        vmx: String,
        tree: bool,
    },
    Snapshot {
        vmx: String,
        name: String,
    },
    RevertToSnapshot {
        vmx: String,
        name: String,
    },
    DeleteSnapshot {
        vmx: String,
        name: String,
        children: bool,
    },
    Clone {
        vmx: String,
        target: String,
        linked: bool,
        snapshot: Option<String>,
        name: Option<String>,
    },
    CheckToolsState {
        vmx: String,
    },
    GetGuestIpAddress {
        vmx: String,
        wait: bool,
    },
    DeleteVm {
        vmx: String,
    },
    SetDevice {
        vmx: String,
        device: String,
        connected: bool,
    },
    ListNetworkAdapters {
        vmx: String,
    },
    /// Without an index a new adapter.
    SetNetworkAdapter {
        vmx: String,
        index: Option<u32>,
        kind: String,
        network: Option<String>,
    },
    DeleteNetworkAdapter {
        vmx: String,
        index: u32,
    },
    ListPortForwardings {
        network: String,
    },
    /// Forwarding a port, or no longer: VMware's NAT service does that, which no engine here has.
    ChangePortForwardings,
    ReadVariable {
        vmx: String,
        kind: Variables,
        name: String,
        user: Option<String>,
    },
    WriteVariable {
        vmx: String,
        kind: Variables,
        name: String,
        value: String,
        user: Option<String>,
    },
    UpgradeVm {
        vmx: String,
    },
    InstallTools {
        vmx: String,
    },
    /// Something inside the guest, as this user. Nobody here can check the password, so it is not kept.
    Guest {
        vmx: String,
        user: Option<String>,
        op: GuestOp,
    },
    /// A command that VMware has and no engine here can have. With the .vmx, so that a missing one is said first.
    Unsupported {
        vmx: Option<String>,
    },
    Own(Own),
}
