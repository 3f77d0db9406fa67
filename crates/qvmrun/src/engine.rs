//! The engines: what can run a machine.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use crate::grammar::How;
use crate::vm::{Device, Vm};
use crate::vm_error::VmError;

/// The engines by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// System containers.
    Container,
    /// QEMU, every instruction of the guest emulated.
    Tcg,
    /// QEMU on the processor's own virtualisation.
    Kvm,
}

impl Kind {
    pub(crate) const ALL: [Self; 3] = [Self::Kvm, Self::Container, Self::Tcg];

    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Container => "container",
            Self::Tcg => "tcg",
            Self::Kvm => "kvm",
        }
    }

    pub(crate) fn named(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.word() == word)
    }
}

/// What `checkToolsState` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tools {
    Unknown,
    Installed,
    Running,
}

impl Tools {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Installed => "installed",
            Self::Running => "running",
        }
    }
}

/// A way to run machines. Callers check that the machine is on or off, as the operation needs, before they ask.
pub(crate) trait Engine {
    /// The machines that run, as paths of their .vmx files.
    fn running(&self) -> Vec<String>;
    /// Whether the machine is on.
    fn is_on(&self, vm: &Vm) -> bool;
    /// Powers the machine on; comes back when it runs. With `checkpoint.vmState` in the .vmx it goes on from the memory
    /// in that file; then the key is taken out, and the file removed if it is a .vmss (a snapshot's .vmem stays).
    fn start(&self, vm: &Vm) -> Result<(), VmError>;
    /// Powers the machine off; comes back when it is off.
    fn stop(&self, vm: &Vm, how: How) -> Result<(), VmError>;
    /// Restarts the machine.
    fn reset(&self, vm: &Vm, how: How) -> Result<(), VmError>;
    /// What runs inside.
    fn tools(&self, vm: &Vm) -> Tools;
    /// The address of the first network adapter.
    fn address(&self, vm: &Vm) -> Result<Option<IpAddr>, VmError>;
    /// Connects or disconnects a medium of the running machine. The .vmx has been changed already.
    fn set_device(&self, vm: &Vm, device: &Device) -> Result<(), VmError>;
    /// Plugs or unplugs the cable of the first network adapter.
    fn set_cable(&self, vm: &Vm, connected: bool) -> Result<(), VmError>;
    /// Forgets everything it keeps about a machine that is off.
    fn forget(&self, vm: &Vm) -> Result<(), VmError>;
    /// Halts the processors of a running machine, or lets them go on.
    fn pause(&self, _: &Vm, _paused: bool) -> Result<(), VmError> {
        Err(VmError::NotSupported)
    }
    /// Writes the memory of a running machine to this file, names it in the .vmx (`checkpoint.vmState`) and powers the
    /// machine off; comes back when it is off. The next start goes on from there.
    fn suspend(&self, _: &Vm, _memory: &Path) -> Result<(), VmError> {
        Err(VmError::NotSupported)
    }
    /// Writes the memory of a running machine to this file and, in the same moment, lets every disk go on in the
    /// overlay that is given for it. The overlays are there already, empty.
    fn snapshot_live(&self, _: &Vm, _memory: &Path, _overlays: &[(Device, PathBuf)]) -> Result<(), VmError> {
        Err(VmError::NotSupported)
    }
    /// Runs a program inside the running machine, as root. Without `wait` it comes back when the program runs.
    fn guest(&self, _: &Vm, _program: &[String], _stdin: &[u8], _wait: bool) -> Result<GuestOutput, VmError> {
        Err(VmError::NotSupported)
    }
    /// Writes what the screen shows to a PNG file.
    fn screen(&self, _: &Vm, _png: &Path) -> Result<(), VmError> {
        Err(VmError::NotSupported)
    }
}

/// How a program in a guest ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct GuestOutput {
    pub(crate) code: i32,
    pub(crate) stdout: Vec<u8>,
}
