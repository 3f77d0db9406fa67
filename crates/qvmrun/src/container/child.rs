//! Programs that must not outlive the supervisor, and that may have to begin in a machine's control groups.

use machine::{Cmd, Local};
use rustix::process::{Signal, set_parent_process_death_signal};

use super::groups::Groups;
use crate::Failure;

/// A command line that starts `cmd` as a child that dies with this process; with a machine's id, in its groups.
pub(crate) fn child(cmd: &Cmd, id: Option<&str>) -> Result<Cmd, Failure> {
    let exe = std::env::current_exe().map_err(Failure::host("finding this program"))?;
    Ok(Cmd::new(exe).args(["__child", id.unwrap_or("-")]).args(cmd.argv()))
}

/// `__child ID|- PROGRAM ARGS`: becomes the program.
pub(crate) fn become_child(args: &[String]) -> Result<(), Failure> {
    let [id, program, rest @ ..] = args else {
        return Err(Failure::Usage { what: "__child ID PROGRAM ARGS".into() });
    };
    set_parent_process_death_signal(Some(Signal::KILL)).map_err(Failure::host("tying a program to its parent"))?;
    if id != "-" {
        Groups::of(id).enter()?;
    }
    Err(Failure::exec(format!("running {program}"))(Local.replace(&Cmd::new(program.as_str()).args(rest))))
}
