//! Runs of a whole lab, as a check.

use std::path::{Path, PathBuf};
use std::time::Duration;

use machine::{Cmd, Local};
use steps::{Timeline, chain};

use crate::Ended;
use crate::parts::SKIPPED;
use crate::say::{self, Talk};
use crate::{packages, provision};

/// A lab comes up, says that it is Ready, and goes away again, whatever happened in between.
pub(crate) fn smoke() -> Ended {
    if !cfg!(target_os = "linux") || !packages::root() {
        say::line("the lab needs Linux and root: run the same command as root");
        return Ok(u8::try_from(SKIPPED).unwrap_or(1));
    }
    let talk = Talk::start("cargo-test-lab", Timeline::default());
    provision::prepare(&talk, true, true)?;
    talk.hush();
    // A folder and a kubeconfig of its own: a lab that somebody runs from this checkout is not touched.
    let folder = target().join("test-lab");
    std::fs::create_dir_all(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    let airlab = |words: &[&str]| {
        let cmd = Cmd::new(provision::program()).args(words.iter().copied()).dir(&folder);
        Local.take_over(&cmd.env("KUBECONFIG", folder.join("kubeconfig"))).map_err(|e| chain(&e))
    };
    let up = airlab(&["provision", "--yes"])?;
    let ready = if up == 0 { airlab(&["status"])? } else { up };
    let gone = airlab(&["destroy", "--yes"])?;
    say::line(&format!("lab: provision {up}, status {ready}, destroy {gone}"));
    Ok(u8::from(up != 0 || ready != 0 || gone != 0))
}

/// This program as a command.
pub(crate) fn myself() -> Cmd {
    let program = std::env::current_exe().unwrap_or_else(|_| PathBuf::from("xtask"));
    Cmd::new(program).timeout(Duration::from_secs(3600))
}

/// Cargo's target folder of this workspace: two above this program, `target/debug/xtask`.
pub(crate) fn target() -> PathBuf {
    let program = std::env::current_exe().unwrap_or_default();
    let above = program.ancestors().find(|dir| dir.file_name().is_some_and(|n| n == "debug")).and_then(Path::parent);
    above.map_or_else(|| PathBuf::from("target"), Path::to_owned)
}
