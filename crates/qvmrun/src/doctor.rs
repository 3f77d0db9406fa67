//! `qvmrun doctor`: what this host has of what the engine needs.

use std::fmt::Write;
use std::path::Path;

use machine::{Cmd, Local};

use crate::Reply;
use crate::container::groups;

/// Programs, each with the Debian package that brings it.
const PROGRAMS: &[(&str, &str)] = &[
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

/// One line per check; exit code 1 when one of them fails.
pub(crate) fn reply() -> Reply {
    let mut lines = vec![("root".to_owned(), rustix::process::geteuid().is_root(), String::new())];
    for (program, package) in PROGRAMS {
        lines.push((format!("program {program}"), found(program), format!("apt-get install {package}")));
    }
    for device in ["/dev/loop-control", "/dev/fuse"] {
        lines.push((device.to_owned(), Path::new(device).exists(), "the kernel has no such device".into()));
    }
    let systems = std::fs::read_to_string("/proc/filesystems").unwrap_or_default();
    for name in ["ext4", "overlay", "fuse", "tmpfs"] {
        let there = systems.lines().any(|l| l.split_whitespace().last() == Some(name)) || module(name);
        lines.push((format!("file system {name}"), there, format!("modprobe {name}")));
    }
    let there = Path::new("/proc/sys/net/bridge").exists() || module("br_netfilter");
    lines.push(("kernel module br_netfilter".into(), there, "the kernel has no such module".into()));
    let version = groups::version();
    lines.push((format!("cgroups {}", version.word()), true, String::new()));
    if version == groups::Version::Two {
        let there = found("systemd-run") && Path::new("/run/systemd/system").is_dir();
        lines.push(("systemd as the host's init".into(), there, "it makes the groups of version 2".into()));
    }
    let code = u8::from(lines.iter().any(|(_, ok, _)| !ok));
    let mut stdout = String::new();
    for (what, ok, advice) in lines {
        let _ = if ok { writeln!(stdout, "ok       {what}") } else { writeln!(stdout, "missing  {what}: {advice}") };
    }
    Reply { stdout, code, ..Reply::default() }
}

fn found(program: &str) -> bool {
    let path = std::env::var("PATH").unwrap_or_default();
    path.split(':').chain(["/usr/sbin", "/sbin"]).any(|dir| Path::new(dir).join(program).exists())
}

/// Whether the kernel could load it when it is first used.
fn module(name: &str) -> bool {
    Local.run(&Cmd::new("modinfo").arg(name)).is_ok_and(|out| out.code == 0)
}
