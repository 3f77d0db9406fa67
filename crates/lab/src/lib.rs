//! `airlab.toml`: what a lab is made of, every default, every check, and every path airlab writes.
//!
//! [`Lab::parse`] reports all mistakes at once, each with its line and column. A [`Lab`] is therefore always valid.
//! Libraries never see this crate: `airlab` turns a `Lab` into the small specification each of them takes.

mod cidr;
mod edit;
mod flaw;
mod host;
mod keys;
mod layout;
mod model;
mod read;
mod sample;

pub use cidr::Cidr;
pub use edit::{NewNode, with_node, without_node};
pub use flaw::{Flaw, FlawKind, LabError, PROBLEMS};
pub use host::{SshHost, ed25519};
pub use keys::own_vmx_key;
pub use layout::Layout;
pub use model::{
    Artifacts, Create, DiskFormat, Firmware, K3s, KubeSphere, Lab, Mode, Network, Node, Provider, Registry,
    RegistryHost, RegistryKind, Role, Versions, Vm,
};
pub use sample::{DEMO, DESKTOP};
