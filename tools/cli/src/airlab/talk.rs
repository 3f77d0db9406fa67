//! Talking to nodes, to the lab's network and to the provider.

use std::ffi::OsString;

use machine::{Cmd, Local};

use super::lab_args::{LabArgs, stopped};
use super::network;
use crate::Failure;
use crate::tool::Ended;

fn code(code: i32) -> Ended {
    Ok(u8::try_from(code).unwrap_or(1))
}

/// Logs in to a node with the host's own `ssh`, the host key pinned.
pub(super) fn ssh(lab: &LabArgs, node: &str, command: &[String]) -> Ended {
    let context = lab.context()?;
    let facts = network::facts(&context)?;
    let login = context.login(node, &facts).map_err(stopped)?;
    let cmd = login.ssh(command);
    code(Local.take_over(&cmd)?)
}

/// Runs a program of this host inside the lab's network.
pub(super) fn run(lab: &LabArgs, command: &[String]) -> Ended {
    let context = lab.context()?;
    let facts = network::facts(&context)?;
    let (program, rest) = command.split_first().ok_or_else(|| Failure::not_yet("run without a program"))?;
    let cmd: Cmd = network::prefixed(&facts, OsString::from(program)).args(rest);
    code(Local.take_over(&cmd)?)
}

/// A call in vmrun's language.
pub(super) fn vmrun(lab: &LabArgs, arguments: &[String]) -> Ended {
    let context = lab.context()?;
    code(Local.take_over(&context.provider.command(arguments))?)
}
