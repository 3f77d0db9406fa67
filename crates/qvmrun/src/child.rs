//! Programs that must not outlive the supervisor.

use std::fs::File;
use std::path::Path;

use machine::{Cmd, Local};
use rustix::io::{FdFlags, fcntl_setfd};
use rustix::process::{Signal, set_parent_process_death_signal};

use crate::container::groups::Groups;
use crate::{Failure, files};

/// A command line that starts `cmd` as a child that dies with this process; with a machine's id, in its groups.
pub(crate) fn child(cmd: &Cmd, id: Option<&str>) -> Result<Cmd, Failure> {
    let exe = std::env::current_exe().map_err(Failure::host("finding this program"))?;
    Ok(Cmd::new(exe).args(["__child", id.unwrap_or("-")]).args(cmd.argv()))
}

/// The same for a program that works in this folder, and that holds the lock `NAME.lock` in it as long as it lives,
/// whatever happens to this process. Its process id is in `NAME.pid`.
pub(crate) fn holder(cmd: &Cmd, dir: &Path, name: &str) -> Result<Cmd, Failure> {
    let exe = std::env::current_exe().map_err(Failure::host("finding this program"))?;
    Ok(Cmd::new(exe).args(["__holder", name]).args(cmd.argv()).dir(dir))
}

/// `__child ID|- PROGRAM ARGS`: becomes the program.
pub(crate) fn become_child(args: &[String]) -> Result<(), Failure> {
    let [id, program, rest @ ..] = args else {
        return Err(Failure::Usage { what: "__child ID PROGRAM ARGS".into() });
    };
    tie()?;
    if id != "-" {
        Groups::of(id).enter()?;
    }
    Err(replace(program, rest))
}

/// `__holder NAME PROGRAM ARGS`: takes the lock and becomes the program.
pub(crate) fn become_holder(args: &[String]) -> Result<(), Failure> {
    let [name, program, rest @ ..] = args else {
        return Err(Failure::Usage { what: "__holder NAME PROGRAM ARGS".into() });
    };
    tie()?;
    let dir = std::env::current_dir().map_err(Failure::host("finding the machine's folder"))?;
    let path = dir.join(format!("{name}.lock"));
    let file = File::options().create(true).write(true).truncate(false).open(&path);
    let file = file.map_err(|source| Failure::File { path, doing: "not opened", source })?;
    file.try_lock().map_err(|_| Failure::host(format!("locking {name}"))("another one lives"))?;
    fcntl_setfd(&file, FdFlags::empty()).map_err(Failure::host(format!("handing on the lock of {name}")))?;
    files::save(&dir.join(format!("{name}.pid")), &std::process::id().to_string())?;
    Err(replace(program, rest))
}

fn tie() -> Result<(), Failure> {
    set_parent_process_death_signal(Some(Signal::KILL)).map_err(Failure::host("tying a program to its parent"))
}

fn replace(program: &str, args: &[String]) -> Failure {
    Failure::exec(format!("running {program}"))(Local.replace(&Cmd::new(program).args(args)))
}
