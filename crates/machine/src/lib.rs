//! The only place in the workspace where processes and SSH connections exist.
//!
//! A [`Cmd`] is a value: program, arguments, environment, standard input and a deadline. [`Local`] runs it here;
//! with the feature `ssh` the async trait `Exec` runs it here or on another machine.

mod cmd;
mod files;
mod local;

pub use cmd::{Cmd, ExecError, Output};
pub use files::{FileError, write_file};
pub use local::{Background, Local};
