//! The vmrun command language: typed commands, one way to write them down, typed answers and errors.
//!
//! Sources: the usage text of vmrun 1.17.0 (Workstation 15 to 17) and the error texts of open-vm-tools' `vix.h`.

mod argv;
mod clone;
mod command;
mod deadlines;
mod device;
mod error;
mod error_kind;
mod gate;
mod guest;
mod inside;
mod log;
mod parse;
mod parse_guest;
mod path;
mod recover;
mod runner;
mod snapshot;
mod state;
mod text;

pub use command::{Command, PowerMode};
pub use deadlines::Deadlines;
pub use error::VmrunError;
pub use error_kind::ErrorKind;
pub use gate::Gate;
pub use guest::{GuestLogin, GuestOp, GuestRun, VariableKind};
pub use inside::{Inside, Way};
pub use parse::{
    HostNetwork, NetworkAdapter, PortForwarding, SnapshotName, host_networks, network_adapters, port_forwardings,
    running, snapshots, variable,
};
pub use parse_guest::{GuestProcess, ToolsState, directory, exists, guest_address, processes, temp_file, tools_state};
pub use path::same_path;
pub use recover::{Fate, Nature, Next, next};
pub use runner::Vmrun;
pub use text::Page;
