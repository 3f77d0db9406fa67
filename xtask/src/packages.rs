//! Debian packages of the host: listed first, installed only with `--yes` and as root.

use std::time::Duration;

use machine::{Cmd, Local};

use crate::say::Talk;

/// What running the lab needs beside what building its parts needs.
const LAB: &[&str] = &[
    "ca-certificates",
    "e2fsprogs",
    "iproute2",
    "iptables",
    "kmod",
    "lxcfs",
    "mount",
    "qemu-utils",
    "systemd-container",
];

/// The packages that are not installed, in alphabetical order.
pub(crate) fn missing() -> Vec<&'static str> {
    let mut all: Vec<&str> = demolab::packages().iter().chain(LAB).copied().collect();
    all.sort_unstable();
    all.dedup();
    let query = Cmd::new("dpkg-query").args(["-W", "-f", "${Package} ${db:Status-Status}\n"]).args(all.iter().copied());
    let known = Local.run(&query).map(|out| out.text()).unwrap_or_default();
    all.retain(|name| !known.lines().any(|line| line == format!("{name} installed")));
    all
}

/// The one command that installs them.
pub(crate) fn command(names: &[&str]) -> String {
    format!("apt-get update && apt-get install -y --no-install-recommends {}", names.join(" "))
}

/// Installs what is missing, or says which one command does. The machine's package sources stay as they are.
pub(crate) fn ensure(talk: &Talk, yes: bool) -> Result<(), String> {
    let names = missing();
    if names.is_empty() {
        return Ok(());
    }
    if Local.run(&Cmd::new("apt-get").arg("--version")).is_err() {
        return Err(format!("the demo lab is built with Debian's tools; missing here: {}", names.join(" ")));
    }
    talk.say(&format!("system packages to be installed: {}", names.join(" ")));
    if !yes || !root() {
        let why = if yes { "only root may install packages" } else { "nothing is installed without --yes" };
        let prefix = if root() { "" } else { "sudo sh -c '" };
        let suffix = if root() { "" } else { "'" };
        return Err(format!("{why}\nwhat to do:\n  {prefix}{}{suffix}", command(&names)));
    }
    let apt = |args: &[&str]| {
        let cmd = Cmd::new("apt-get").args(["-q", "-o", "DPkg::Lock::Timeout=120"]).args(args.iter().copied());
        cmd.env("DEBIAN_FRONTEND", "noninteractive").timeout(Duration::from_secs(900))
    };
    talk.say("reading package lists");
    if let Err(error) = Local.run_ok(&apt(&["update"])) {
        talk.say(&format!("package lists could not be renewed, going on with the old ones ({error})"));
    }
    talk.say("installing packages");
    let install = [&["install", "-y", "--no-install-recommends"], &names[..]].concat();
    Local.run_ok(&apt(&install)).map_err(|e| format!("{e}\nwhat to do:\n  {}", command(&names)))?;
    Ok(())
}

/// Whether this process is root.
pub(crate) fn root() -> bool {
    Local.run(&Cmd::new("id").arg("-u")).is_ok_and(|out| out.text() == "0")
}
