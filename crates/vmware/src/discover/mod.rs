//! Where VMware Workstation is on this host, and what its host-only network looks like.
//!
//! The readers of files and registry values are pure, so that each system's can be tested on the other.

mod here;
mod network;
mod workstation;

pub use network::{Vnet, dhcp_conf, linux_networking};
pub use workstation::{Value, Version, Workstation, in_registry, on_linux};

pub(crate) use here::code_page;
pub use here::{host_only, workstation};
