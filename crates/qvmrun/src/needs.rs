//! What an engine needs of its host.

use std::path::Path;

use machine::{Cmd, Local};

use crate::container::groups;

/// One need, and whether it is met.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Need {
    pub(crate) what: String,
    pub(crate) met: bool,
    pub(crate) advice: String,
}

/// Programs of the container engine, each with the Debian package that brings it.
const CONTAINER: &[(&str, &str)] = &[
    ("ip", "iproute2"),
    ("lxcfs", "lxcfs"),
    ("losetup", "mount"),
    ("mount", "mount"),
    ("kill", "procps"),
    ("qemu-storage-daemon", "qemu-utils qemu-system-common"), // moved from the second to the first in qemu 10
    ("systemd-nspawn", "systemd-container"),
    ("nsenter", "util-linux"),
    ("unshare", "util-linux"),
];

/// Programs of the engines that run machines.
const QEMU: &[(&str, &str)] = &[("qemu-system-x86_64", "qemu-system-x86"), ("qemu-img", "qemu-utils")];

pub(crate) fn container() -> Vec<Need> {
    let mut needs: Vec<Need> = CONTAINER.iter().map(program).collect();
    for device in ["/dev/loop-control", "/dev/fuse"] {
        needs.push(need(device, Path::new(device).exists(), "the kernel has no such device"));
    }
    let systems = std::fs::read_to_string("/proc/filesystems").unwrap_or_default();
    for name in ["ext4", "overlay", "fuse", "tmpfs"] {
        let there = systems.lines().any(|l| l.split_whitespace().last() == Some(name)) || module(name);
        needs.push(need(format!("file system {name}"), there, format!("modprobe {name}")));
    }
    let there = Path::new("/proc/sys/net/bridge").exists() || module("br_netfilter");
    needs.push(need("kernel module br_netfilter", there, "the kernel has no such module"));
    let version = groups::version();
    needs.push(need(format!("cgroups {}", version.word()), true, ""));
    if version == groups::Version::Two {
        let there = found("systemd-run") && Path::new("/run/systemd/system").is_dir();
        needs.push(need("systemd as the host's init", there, "it makes the groups of version 2"));
    }
    needs
}

pub(crate) fn qemu() -> Vec<Need> {
    QEMU.iter().map(program).collect()
}

/// What is not met, in words.
pub(crate) fn missing(needs: &[Need]) -> Vec<String> {
    needs.iter().filter(|n| !n.met).map(|n| format!("{} is missing", n.what)).collect()
}

fn need(what: impl Into<String>, met: bool, advice: impl Into<String>) -> Need {
    Need { what: what.into(), met, advice: advice.into() }
}

fn program((name, package): &(&str, &str)) -> Need {
    need(format!("program {name}"), found(name), format!("apt-get install {package}"))
}

pub(crate) fn found(program: &str) -> bool {
    let path = std::env::var("PATH").unwrap_or_default();
    path.split(':').chain(["/usr/sbin", "/sbin"]).any(|dir| Path::new(dir).join(program).exists())
}

/// Whether the kernel could load it when it is first used.
fn module(name: &str) -> bool {
    Local.run(&Cmd::new("modinfo").arg(name)).is_ok_and(|out| out.code == 0)
}

/// The firmware of EFI machines.
pub(crate) fn firmware() -> Need {
    need("EFI firmware", Path::new(crate::qemu::EFI_CODE).exists(), "apt-get install ovmf")
}
