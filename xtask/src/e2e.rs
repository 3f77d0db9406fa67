//! `cargo xtask e2e`: builds the programs and runs the end-to-end proof of `tests/` with them.

use std::time::Duration;

use machine::{Cmd, Local};
use steps::chain;

use crate::lab::target;
use crate::parts::SKIPPED;
use crate::provision::{PROGRAMS, cargo};
use crate::{Ended, full_machines, helm, packages, say};

/// Programs of the host that the proof looks with, and the Debian package of each.
const TOOLS: &[(&str, &str)] = &[
    ("kubectl", "kubernetes-client"),
    ("curl", "curl"),
    ("ssh", "openssh-client"),
    ("openssl", "openssl"),
    ("debugfs", "e2fsprogs"),
    ("mkfs.ext4", "e2fsprogs"),
    ("busybox", "busybox-static"),
    ("ip", "iproute2"),
    ("nsenter", "util-linux"),
    ("setpriv", "util-linux"),
];

/// Programs that only one suite looks with.
const OTHERS: &[(&str, &[(&str, &str)])] = &[
    (
        "registry",
        &[("skopeo", "skopeo"), ("docker-registry", "docker-registry"), ("ctr", "containerd"), ("tar", "tar")],
    ),
    ("kubesphere", &[("chromium", "chromium"), ("tar", "tar"), ("pip3", "python3-pip")]),
    ("clocks", &[("faketime", "faketime")]),
];

/// Words that ask for full machines: a suite, a switch of one.
const FULL_MACHINES: &[&str] = &["boot", "clocks", "--machines"];

/// What is built for the proof.
pub(crate) fn packages() -> impl Iterator<Item = &'static str> {
    PROGRAMS.into_iter().chain(["timesync-cli", "kubesphere-cli", "k3s-bootstrap-cli", "e2e"])
}

/// `e2e lab|host|second|bad-input|bridge|bundle|clone|desktop|existing|external|faults|kill|kubesphere|all`.
pub(crate) fn run(words: &[String]) -> Ended {
    if !cfg!(target_os = "linux") || !packages::root() {
        say::line("the lab needs Linux and root: run the same command as root");
        return Ok(u8::try_from(SKIPPED).unwrap_or(1));
    }
    let asked = |suite: &str| words.iter().any(|word| word == suite || word == "all");
    let others = OTHERS.iter().filter(|(suite, _)| asked(suite)).flat_map(|(_, tools)| *tools);
    let mut missing = packages::of_absent(TOOLS.iter().chain(others));
    missing.dedup();
    if !missing.is_empty() {
        return Err(format!(
            "the proof looks with programs that are missing\nwhat to do:\n  {}",
            packages::command(&missing)
        ));
    }
    if words.iter().any(|word| FULL_MACHINES.contains(&word.as_str())) {
        full_machines::ensure(true)?;
    }
    let build = cargo().args(["build", "--locked", "--quiet"]).args(packages().flat_map(|p| ["-p", p]));
    let built = Local.take_over(&build.timeout(Duration::from_secs(3600))).map_err(|e| chain(&e))?;
    if built != 0 {
        return Ok(1);
    }
    if asked("kubesphere") && !helm::values()? {
        return Ok(1);
    }
    let e2e = Cmd::new(target().join("debug/e2e")).args(words).timeout(Duration::from_secs(2 * 3600));
    let code = Local.take_over(&e2e).map_err(|e| chain(&e))?;
    Ok(u8::try_from(code).unwrap_or(1))
}
