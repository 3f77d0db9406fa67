//! `cargo xtask provision`: packages, parts and programs side by side, then `airlab provision`.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use machine::{Cmd, Local};
use steps::{Event, Outcome, Sink, Timeline, chain};

use crate::Ended;
use crate::lab::target;
use crate::packages;
use crate::say::Talk;

/// The programs a lab is run with; the last one runs inside it.
pub(crate) const PROGRAMS: [&str; 4] = ["airlab-cli", "qvmrun-cli", "registry-mirror-cli", "demodns"];

/// Everything from nothing to Ready. `words` are the arguments behind `provision`, handed on as they are.
pub(crate) fn provision(words: &[String]) -> Ended {
    let has = |flag: &str| words.iter().any(|w| w == flag);
    let talk = Talk::start("cargo-provision", usual());
    if has("--plan") {
        let missing = packages::missing();
        if !missing.is_empty() {
            talk.say(&format!("system packages to be installed: {}", missing.join(" ")));
        }
        programs(&talk)?;
    } else {
        let demo = !has("--lab") && !std::path::Path::new("airlab.toml").exists();
        prepare(&talk, demo, has("--yes") || has("-y"))?;
    }
    talk.hush();
    let code = airlab(&[&["provision".to_owned()], words].concat(), talk.clock.now())?;
    if code == 0 && !has("--plan") {
        talk.finished();
    }
    Ok(code)
}

/// Packages, offline parts and programs: all that `airlab` needs to bring a lab up.
pub(crate) fn prepare(talk: &Arc<Talk>, demo: bool, yes: bool) -> Result<(), String> {
    packages::ensure(&|text| talk.say(text), yes)?;
    together(talk, demo)
}

/// Any other verb of airlab, with the programs built first.
pub(crate) fn pass(words: &[String]) -> Ended {
    let build = Local.take_over(&cargo_build().arg("--quiet")).map_err(|e| chain(&e))?;
    if build == 0 { airlab(words, Duration::ZERO) } else { Ok(1) }
}

/// The offline parts in one thread, the programs in another.
fn together(talk: &Arc<Talk>, demo: bool) -> Result<(), String> {
    thread::scope(|scope| {
        let parts = scope.spawn(|| if demo { parts(talk) } else { Ok(()) });
        let programs = programs(talk);
        let parts = parts.join().unwrap_or_else(|_| Err("building the offline parts crashed".into()));
        programs.and(parts)
    })
}

/// `xtask parts`: what the demo lab is made of, so that its first run need not wait for it.
pub(crate) fn offline_parts() -> Ended {
    let talk = Talk::start("cargo-parts", usual());
    packages::ensure(&|text| talk.say(text), true)?;
    parts(&talk)?;
    Ok(0)
}

/// The parts that take minutes. The images are made by airlab itself: one of them holds a program built meanwhile.
fn parts(talk: &Talk) -> Result<(), String> {
    let cache = demolab::default_cache();
    let done = thread::scope(|scope| {
        let k3s = scope.spawn(|| demolab::kubernetes(&cache, talk));
        let iso = demolab::demo_iso(&cache, talk);
        let k3s = k3s.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        iso.and(k3s)
    });
    done.map(|_| ()).map_err(|e| format!("offline parts: {}", chain(&e)))
}

/// Builds the programs a lab is run with.
pub(crate) fn programs(talk: &Talk) -> Result<(), String> {
    let step = "programs".to_owned();
    let start = Instant::now();
    talk.emit(Event::Started { step: step.clone() });
    let out = Local.run(&cargo_build().arg("--quiet")).map_err(|e| chain(&e))?;
    if out.code != 0 {
        return Err(format!("cargo build failed:\n{}", out.error_text()));
    }
    talk.emit(Event::Finished { step, outcome: Outcome::Changed("built".into()), took: start.elapsed() });
    Ok(())
}

fn cargo_build() -> Cmd {
    let packages = PROGRAMS.iter().flat_map(|p| ["-p", p]);
    cargo().args(["build", "--locked"]).args(packages).timeout(Duration::from_secs(3600))
}

/// The cargo that runs us, without what it told us of our own package: build scripts look at these variables, and would
/// take a build that we start for another one than a person's own `cargo build`.
pub(crate) fn cargo() -> Cmd {
    let cargo = Cmd::new(std::env::var("CARGO").unwrap_or_else(|_| "cargo".into()));
    let about_us = |key: &OsString| {
        let key = key.to_string_lossy();
        key.starts_with("CARGO_PKG_") || key.starts_with("CARGO_MANIFEST_")
    };
    std::env::vars_os().map(|(key, _)| key).filter(about_us).fold(cargo, Cmd::env_remove)
}

/// The built airlab.
pub(crate) fn program() -> PathBuf {
    target().join("debug").join(format!("airlab{}", std::env::consts::EXE_SUFFIX))
}

/// Runs the built airlab with these words; its clock goes on from `before`.
fn airlab(words: &[String], before: Duration) -> Ended {
    let cmd = Cmd::new(program()).args(words).env("AIRLAB_STARTED_MS", before.as_millis().to_string());
    let code = Local.take_over(&cmd).map_err(|e| chain(&e))?;
    Ok(u8::try_from(code).unwrap_or(1))
}

/// A first run on two quiet cores: every step, the second at which it ends, and the seconds it takes.
fn usual() -> Timeline {
    let marks = [
        ("kubernetes-source", 36, 36),
        ("installer", 70, 70),
        ("node-image", 243, 243),
        ("installer-iso", 247, 4),
        ("kubernetes", 267, 267),
        ("programs", 307, 307),
        ("k3s", 459, 459),
    ];
    Timeline::new(marks, 505)
}
