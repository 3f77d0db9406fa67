//! The vmrun command language: typed commands, one way to write them down, typed answers and errors.
//!
//! Sources: the usage text of vmrun 1.17.0 (Workstation 15 to 17) and the error texts of open-vm-tools' `vix.h`.

mod argv;
mod command;
mod error;
mod guest;
mod parse;
mod runner;
mod state;

pub use command::{Command, PowerMode};
pub use error::{ErrorKind, VmrunError};
pub use guest::{GuestLogin, GuestOp, GuestRun, VariableKind};
pub use parse::{HostNetwork, SnapshotName, ToolsState, guest_address, host_networks, running, snapshots, tools_state};
pub use runner::Vmrun;
pub use state::same_path;
