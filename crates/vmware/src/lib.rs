//! VMX and VMDK as values, and the vmrun command language.
//!
//! A [`Vmx`] is the text of a virtual machine's configuration, kept byte for byte; [`Vmx::for_node`] renders the one
//! of a node. A [`Vmdk`] is a virtual disk to create; [`Vmdk::open`] says what an existing one is.

mod node;
mod problem;
mod vmdk;
mod vmdk_sparse;
mod vmx;

pub use node::{DiskBus, Firmware, NodeSpec};
pub use problem::{VmdkError, VmxError};
pub use vmdk::{Disk, DiskFormat, Vmdk, is_blank};
pub use vmx::Vmx;

/// The ids of all problems of this crate.
pub const PROBLEMS: &[&str] =
    &["AL-VMX-001", "AL-VMX-002", "AL-VMX-003", "AL-VMX-004", "AL-VMX-005", "AL-VMX-006", "AL-VMX-007"];
