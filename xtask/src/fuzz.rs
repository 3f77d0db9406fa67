//! `cargo xtask fuzz`: random bytes against what reads foreign ones.

use std::path::Path;
use std::time::Duration;

use machine::{Cmd, Local};
use steps::chain;

use crate::lab::target;
use crate::provision::cargo;
use crate::{Ended, say};

/// The targets of `fuzz/`, in the order in which they run.
const TARGETS: &[&str] = &["vmx", "vmdk", "answers", "iso", "names", "ranges", "archive", "packed", "packages"];
const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz");

/// `fuzz [TARGET] [SECONDS]`: one target or all of them, each for ten minutes or as long as is said. Exit code 1 when
/// one of them finds something; the input lies in `fuzz/artifacts` then.
pub(crate) fn run(words: &[String]) -> Ended {
    let here = Local.run(&Cmd::new("cargo-fuzz").arg("--version")).is_ok_and(|out| out.code == 0);
    if !here {
        return Err("cargo-fuzz is missing\nwhat to do:\n  cargo install cargo-fuzz --locked".into());
    }
    let seconds: u64 = words.iter().find_map(|w| w.parse().ok()).unwrap_or(600);
    let named = |t: &&&str| words.iter().all(|w| w.parse::<u64>().is_ok() || w == **t);
    let targets: Vec<&&str> = TARGETS.iter().filter(named).collect();
    if targets.is_empty() {
        return say::not_yet(&format!("fuzz {}", words.join(" ")));
    }
    // The same versions as in the workspace, to which fuzz/ does not belong.
    let lock = Path::new(FOLDER).join("Cargo.lock");
    std::fs::copy(Path::new(FOLDER).join("../Cargo.lock"), &lock).map_err(|e| format!("{}: {e}", lock.display()))?;
    let mut found = false;
    for target in targets {
        say::line(&format!("fuzz {target}: {seconds} s"));
        found |= fuzz(target, seconds)? != 0;
    }
    Ok(u8::from(found))
}

/// The sanitizer is an unstable option of the compiler; the stable one takes it when it is told to.
fn fuzz(name: &str, seconds: u64) -> Result<i32, String> {
    let corpus = Path::new(FOLDER).join("corpus").join(name);
    let seeds = Path::new(FOLDER).join("seeds").join(name);
    std::fs::create_dir_all(&corpus).map_err(|e| format!("{}: {e}", corpus.display()))?;
    let cmd = cargo().args(["fuzz", "run", name]).arg(&corpus).arg(&seeds).arg("--");
    let cmd = cmd.args([format!("-max_total_time={seconds}"), "-timeout=10".into(), "-print_final_stats=1".into()]);
    // Nothing is asked about leaks: looking for them needs ptrace, which containers often forbid.
    let cmd = cmd
        .env("ASAN_OPTIONS", "detect_leaks=0")
        .env("RUSTC_BOOTSTRAP", "1")
        .env("CARGO_TARGET_DIR", target().join("fuzz"))
        .dir(FOLDER);
    Local.take_over(&cmd.timeout(Duration::from_secs(seconds + 3600))).map_err(|e| chain(&e))
}
