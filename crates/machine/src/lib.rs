//! The only place in the workspace where processes and SSH connections exist.
//!
//! A [`Cmd`] is a value: program, arguments, environment, standard input and a deadline. [`Local`] runs it here;
//! with the feature `ssh` the async trait `Exec` runs it here or, over `Ssh`, on another machine.

mod cmd;
#[cfg(feature = "ssh")]
mod exec;
mod files;
mod foreground;
#[cfg(feature = "ssh")]
mod keys;
mod local;
#[cfg(feature = "ssh")]
mod ssh;

pub use cmd::{Cmd, ExecError, Output};
#[cfg(feature = "ssh")]
pub use exec::{Exec, RemoteFile, sha256};
pub use files::{FileError, write_file};
#[cfg(feature = "ssh")]
pub use keys::{HostKey, KeyError, KeyPair};
pub use local::{Background, Local};
#[cfg(feature = "ssh")]
pub use ssh::{Ssh, SshError, SshTarget};

/// How many other machines are talked to at a time; more of them take turns.
pub const NODES_AT_ONCE: usize = 32;

/// The id of every problem this crate can report.
pub const PROBLEMS: &[&str] = &[
    "AL-EXE-001",
    "AL-EXE-002",
    "AL-EXE-003",
    "AL-EXE-004",
    "AL-EXE-005",
    "AL-EXE-006",
    "AL-SSH-001",
    "AL-SSH-002",
    "AL-SSH-003",
    "AL-SSH-004",
    "AL-SSH-005",
];
