//! VMX and VMDK as values, and the vmrun command language.
//!
//! A [`Vmx`] is the text of a virtual machine's configuration, kept byte for byte; [`Vmx::for_node`] renders the one
//! of a node. A [`Vmdk`] is a virtual disk to create; [`Vmdk::open`] says what an existing one is. [`vmrun`] has the
//! commands as values and a runner for whatever program speaks that language; [`discover`] looks for VMware Workstation on
//! this host.

pub mod discover;
mod edit;
mod lock;
mod node;
mod problem;
mod vmdk;
mod vmdk_sparse;
pub mod vmrun;
mod vmx;

pub use edit::edit;
pub use node::{CD_DRIVES, DiskBus, Firmware, NodeSpec};
pub use problem::{VmdkError, VmxError};
pub use vmdk::{Disk, DiskFormat, Vmdk, is_blank};
pub use vmx::{Difference, Vmx};

/// The ids of all problems of this crate.
pub const PROBLEMS: &[&str] = &[
    "AL-VMX-001",
    "AL-VMX-002",
    "AL-VMX-003",
    "AL-VMX-004",
    "AL-VMX-005",
    "AL-VMX-006",
    "AL-VMX-007",
    "AL-VMR-001",
    "AL-VMR-002",
    "AL-VMR-003",
    "AL-VMR-004",
    "AL-VMR-005",
    "AL-VMR-006",
    "AL-VMR-007",
    "AL-VMR-008",
    "AL-VMR-009",
    "AL-VMR-010",
    "AL-VMR-011",
    "AL-VMR-012",
    "AL-VMR-013",
    "AL-VMR-014",
    "AL-VMR-015",
    "AL-VMR-016",
    "AL-VMR-017",
    "AL-VMR-018",
    "AL-VMR-019",
];
