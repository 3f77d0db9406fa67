//! Debian packages of the host: listed first, installed only with `--yes` and as root.

use std::path::Path;
use std::time::Duration;

use machine::{Cmd, Local};

use crate::full_machines;

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

/// The programs that the checks look with, each with its package.
const CHECKS: &[(&str, &str)] = &[
    ("cc", "gcc"),
    ("chromium", "chromium"),
    ("ctr", "containerd"),
    ("curl", "curl"),
    ("debugfs", "e2fsprogs"),
    ("docker-registry", "docker-registry"),
    ("etcd", "etcd-server"),
    ("etcdctl", "etcd-client"),
    ("genisoimage", "genisoimage"),
    ("git", "git"),
    ("ip", "iproute2"),
    ("isoinfo", "genisoimage"),
    ("kubectl", "kubernetes-client"),
    ("openssl", "openssl"),
    ("ping", "iputils-ping"),
    ("pip3", "python3-pip"),
    ("shellcheck", "shellcheck"),
    ("skopeo", "skopeo"),
    ("ssh", "openssh-client"),
    ("sshd", "openssh-server"),
    ("xorriso", "xorriso"),
];

/// Where Debian asks whether a service may start when its package is installed.
const POLICY: &str = "/usr/sbin/policy-rc.d";

/// The packages of those of these programs that are not here.
pub(crate) fn of_absent<'a>(programs: impl Iterator<Item = &'a (&'static str, &'static str)>) -> Vec<&'static str> {
    let here = |program: &str| Local.run(&Cmd::new("which").arg(program)).is_ok_and(|out| out.code == 0);
    programs.filter(|(program, _)| !here(program)).map(|(_, package)| *package).collect()
}

/// What the checks need and is not here, in alphabetical order.
fn missing_for_checks() -> Vec<&'static str> {
    let mut all = missing();
    all.extend(of_absent(CHECKS.iter()));
    all.sort_unstable();
    all.dedup();
    all
}

/// Installs what the checks need, or says which one command does.
pub(crate) fn ensure_for_checks(say: &dyn Fn(&str), yes: bool) -> Result<(), String> {
    let mut names = missing_for_checks();
    if !yes {
        // With it they come afterwards, from where they fit this machine.
        names.extend(full_machines::missing());
    }
    install(say, yes, &names, "the checks look with programs of Debian's")?;
    full_machines::ensure(yes)
}

/// The packages of the lab that are not installed, in alphabetical order.
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

/// Installs what the lab needs, or says which one command does.
pub(crate) fn ensure(say: &dyn Fn(&str), yes: bool) -> Result<(), String> {
    install(say, yes, &missing(), "the demo lab is built with Debian's tools")
}

/// The machine's package sources stay as they are, and no service is started.
fn install(say: &dyn Fn(&str), yes: bool, names: &[&str], why: &str) -> Result<(), String> {
    if names.is_empty() {
        return Ok(());
    }
    if Local.run(&Cmd::new("apt-get").arg("--version")).is_err() {
        return Err(format!("{why}; missing here: {}", names.join(" ")));
    }
    say(&format!("system packages to be installed: {}", names.join(" ")));
    if !yes || !root() {
        let why = if yes { "only root may install packages" } else { "nothing is installed without --yes" };
        let prefix = if root() { "" } else { "sudo sh -c '" };
        let suffix = if root() { "" } else { "'" };
        return Err(format!("{why}\nwhat to do:\n  {prefix}{}{suffix}", command(names)));
    }
    let apt = |args: &[&str]| {
        let cmd = Cmd::new("apt-get").args(["-q", "-o", "DPkg::Lock::Timeout=120"]).args(args.iter().copied());
        cmd.env("DEBIAN_FRONTEND", "noninteractive").timeout(Duration::from_secs(900))
    };
    say("reading package lists");
    if let Err(error) = Local.run_ok(&apt(&["update"])) {
        say(&format!("package lists could not be renewed, going on with the old ones ({error})"));
    }
    say("installing packages");
    let _asleep = Asleep::begin().map_err(|e| format!("{POLICY}: {e}"))?;
    let install = [&["install", "-y", "--no-install-recommends"], names].concat();
    Local.run_ok(&apt(&install)).map_err(|e| format!("{e}\nwhat to do:\n  {}", command(names)))?;
    Ok(())
}

/// While it lives, an installed package starts no service; a policy of the machine's own stays.
struct Asleep(bool);

impl Asleep {
    fn begin() -> std::io::Result<Self> {
        let ours = Path::new("/run/systemd/system").exists() && !Path::new(POLICY).exists();
        if ours {
            let forbid = "#!/bin/sh\nexit 101\n";
            machine::write_file(Path::new(POLICY), forbid.as_bytes(), 0o755).map_err(std::io::Error::other)?;
        }
        Ok(Self(ours))
    }
}

impl Drop for Asleep {
    fn drop(&mut self) {
        if self.0 {
            let _ = std::fs::remove_file(POLICY);
        }
    }
}

/// Whether this process is root.
pub(crate) fn root() -> bool {
    Local.run(&Cmd::new("id").arg("-u")).is_ok_and(|out| out.text() == "0")
}
