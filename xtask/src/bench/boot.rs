//! `cargo xtask bench boot`: installation and first boot of one emulated machine, by a bare script and by airlab, from the
//! same ISO, disk and seed in the same run.

use std::path::Path;
use std::time::{Duration, Instant};

use machine::{Cmd, Local};
use steps::{Timeline, chain};

use super::Folder;
use crate::lab::target;
use crate::provision::programs;
use crate::say::Talk;
use crate::{Ended, full_machines, packages, say};

/// Times the bare script that airlab may take.
const GOAL: f64 = 1.3;
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/bench/boot.sh");
const LAB: &str = include_str!("../../../tests/labs/boot.toml");
const NODE: &str = "master";
const ADDRESS: &str = "192.168.61.10";

/// Exit code 1 when airlab takes more than 1.3 times the script.
pub(super) fn run() -> Ended {
    if !packages::root() {
        return Err("the measurement makes a network: run it as root".into());
    }
    full_machines::ensure(true)?;
    let talk = Talk::start("bench-boot", Timeline::default());
    programs(&talk)?;
    talk.hush();
    let work = Folder::new()?;
    let dir = &work.0;
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default().as_secs();
    let text = LAB.replace("\"FIRMWARE\"", "\"bios\"").replace("\"RTC\"", &format!("\"{now}\""));
    std::fs::write(dir.join("lab.toml"), text).map_err(|e| format!("the lab file: {e}"))?;
    let measured = both(dir);
    let down = airlab(dir, "destroy", &["--yes"])?;
    let (bare, ours) = measured?;
    let ratio = ours / bare;
    say::result(&format!(
        "bare script  {bare:6.1} s\nairlab       {ours:6.1} s\nratio        {ratio:6.2}    (goal: at most {GOAL:.1})\n"
    ))?;
    Ok(u8::from(ratio > GOAL || down != 0))
}

/// Seconds from power-on to the end of the first boot: the script's, then airlab's.
fn both(dir: &Path) -> Result<(f64, f64), String> {
    ok(airlab(dir, "provision", &["--yes", "--until", "machines"])?, "provision --until machines")?;
    let lab = dir.join(".airlab/machine");
    let files = lab.join("nodes").join(NODE);
    let (disk, bare) = (dir.join("bare.vmdk"), dir.join("bare"));
    let copied =
        std::fs::copy(files.join(format!("{NODE}.vmdk")), &disk).map_err(|e| format!("{}: {e}", disk.display()))?;
    say::line(&format!("bare script: an empty disk of {copied} bytes, the same ISO and seed"));
    let vmx = std::fs::read_to_string(files.join(format!("{NODE}.vmx"))).map_err(|e| format!("the .vmx: {e}"))?;
    let mac = vmx.lines().find_map(|l| l.strip_prefix("ethernet0.address = ")).map(|v| v.trim_matches('"'));
    let script = command(dir, "run", &["--", "bash", SCRIPT])
        .env("ISO", lab.join("installer.iso"))
        .env("CIDATA", files.join("cidata.iso"))
        .env("DISK", &disk)
        .env("MAC", mac.ok_or("the .vmx has no address")?)
        .env("ADDRESS", ADDRESS)
        .env("KEY", lab.join("ssh/id_ed25519"))
        .env("WORK", &bare);
    ok(Local.take_over(&script).map_err(|e| chain(&e))?, "the script")?;
    let seconds = std::fs::read_to_string(bare.join("ready")).map_err(|e| format!("the script's figure: {e}"))?;
    let seconds: f64 = seconds.trim().parse().map_err(|e| format!("the script's figure {seconds:?}: {e}"))?;
    say::line(&format!("bare script: {seconds:.1} s; now airlab"));
    let start = Instant::now();
    ok(airlab(dir, "provision", &["--yes", "--until", "install"])?, "provision --until install")?;
    Ok((seconds, start.elapsed().as_secs_f64()))
}

fn ok(code: i32, what: &str) -> Result<(), String> {
    if code == 0 { Ok(()) } else { Err(format!("{what} ended with {code}")) }
}

fn airlab(dir: &Path, verb: &str, words: &[&str]) -> Result<i32, String> {
    Local.take_over(&command(dir, verb, words)).map_err(|e| chain(&e))
}

fn command(dir: &Path, verb: &str, words: &[&str]) -> Cmd {
    let cmd = Cmd::new(target().join("debug/airlab")).args([verb, "--lab", "lab.toml", "--engine", "tcg"]);
    let cmd = cmd.args(words.iter().copied()).dir(dir).env("KUBECONFIG", dir.join("kubeconfig"));
    cmd.timeout(Duration::from_secs(3600))
}
