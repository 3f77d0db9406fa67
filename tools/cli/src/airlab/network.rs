//! Commands that speak to the lab run inside its network.

use std::fs::File;

use airlab::{Context, Facts, RunLock};
use machine::{Cmd, Local};

use super::lab_args::stopped;
use crate::Failure;
use crate::tool::Ended;

/// Set for this program when it runs inside the lab's network.
const INSIDE: &str = "AIRLAB_INSIDE";

/// Whether this process is inside the lab's network because an outer one put it there.
pub(super) fn inside() -> bool {
    std::env::var_os(INSIDE).is_some()
}

/// This same command inside the lab's network; `None` where we are in it already.
pub(super) fn again(facts: &Facts) -> Result<Option<Cmd>, Failure> {
    if inside() || facts.enter.is_empty() {
        return Ok(None);
    }
    let this = std::env::current_exe().map_err(|e| Failure::system("looking which program this is", e))?;
    let words: Vec<_> = std::env::args_os().skip(1).collect();
    Ok(Some(prefixed(facts, this.into_os_string()).args(words).env(INSIDE, "1")))
}

/// Becomes the command: one process, which signals reach and whose end is the end of everything. A lock that is held
/// goes along. Comes back only where that cannot be done, or on systems without it with the command's exit code.
#[cfg(unix)]
pub(super) fn become_it(cmd: &Cmd, held: Option<File>) -> Result<u8, Failure> {
    Err(Local.replace_holding(cmd, held).into())
}

/// Runs the command and gives back its exit code.
#[cfg(not(unix))]
pub(super) fn become_it(cmd: &Cmd, held: Option<File>) -> Result<u8, Failure> {
    let code = Local.take_over(cmd)?;
    drop(held);
    Ok(u8::try_from(code).unwrap_or(1))
}

/// A command to run inside the lab's network, program first.
pub(super) fn prefixed(facts: &Facts, program: std::ffi::OsString) -> Cmd {
    match facts.enter.split_first() {
        None => Cmd::new(program),
        Some((first, rest)) => Cmd::new(first).args(rest).arg(program),
    }
}

/// The facts of a lab that is up.
pub(super) fn facts(context: &Context) -> Result<Facts, Failure> {
    context.facts().map_err(stopped)
}

/// Does the work inside the lab's network, which must be up. `command` is what the lab's lock is taken for, where the work
/// changes something.
pub(crate) async fn within(context: &Context, command: Option<&str>, work: impl AsyncFnOnce(&Facts) -> Ended) -> Ended {
    let lock = match command {
        Some(command) if !inside() => Some(context.lock(command).map_err(stopped)?),
        _ => None,
    };
    let facts = facts(context)?;
    match again(&facts)? {
        Some(cmd) => become_it(&cmd, lock.map(RunLock::into_file)),
        None => work(&facts).await,
    }
}
