//! `cargo xtask windows`: the whole workspace compiles for Windows, checked on this machine.

use std::time::Duration;

use machine::{Cmd, Local};
use steps::chain;

use crate::provision::cargo;
use crate::{Ended, say};

const TARGET: &str = "x86_64-pc-windows-gnu";
const SETUP: &str = "xtask/windows/setup.sh";

/// `setup` makes the target usable; `check` compiles everything for it.
pub(crate) fn run(words: &[String]) -> Ended {
    match words.first().map(String::as_str) {
        Some("setup") => setup(&words[1..]),
        Some("check") => {
            if setup(&["--check".into()])? != 0 {
                return setup(&[]).and_then(|code| if code == 0 { check() } else { Ok(code) });
            }
            check()
        }
        other => say::not_yet(&format!("windows {}", other.unwrap_or_default())),
    }
}

fn setup(words: &[String]) -> Ended {
    let code = Local.take_over(&Cmd::new("bash").arg(SETUP).args(words)).map_err(|e| chain(&e))?;
    Ok(u8::from(code != 0))
}

fn check() -> Ended {
    // the end-to-end proof runs the lab as root of a Linux machine, and only there
    let words = ["check", "--workspace", "--exclude", "e2e", "--locked", "--all-targets", "--target", TARGET];
    let cmd = cargo().args(words).timeout(Duration::from_secs(3600));
    Ok(u8::from(Local.take_over(&cmd).map_err(|e| chain(&e))? != 0))
}
