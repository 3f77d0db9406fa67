//! Commands that speak to the lab run inside its network.

use airlab::{Context, Facts};
use machine::{Cmd, Local};

use super::lab_args::stopped;
use crate::Failure;

/// Set for the copy of this program that runs inside the lab's network.
const INSIDE: &str = "AIRLAB_INSIDE";

/// Whether this process is inside the lab's network because an outer one put it there.
pub(super) fn inside() -> bool {
    std::env::var_os(INSIDE).is_some()
}

/// Runs this same command inside the lab's network and gives back its exit code; `None` where we are in it already.
pub(super) fn enter(facts: &Facts) -> Result<Option<u8>, Failure> {
    if inside() || facts.enter.is_empty() {
        return Ok(None);
    }
    let this = std::env::current_exe().map_err(|e| Failure::system("looking which program this is", e))?;
    let words: Vec<_> = std::env::args_os().skip(1).collect();
    let cmd = prefixed(facts, this.into_os_string()).args(words).env(INSIDE, "1");
    let code = Local.take_over(&cmd)?;
    Ok(Some(u8::try_from(code).unwrap_or(1)))
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
