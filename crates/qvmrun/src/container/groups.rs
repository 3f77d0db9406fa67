//! A machine's control groups: its size, its processes, and the way to end them all.
//!
//! Version 1 (several hierarchies): a group `qvmrun-ID` with the limits and below it `node`, which becomes the
//! container's root group, so that root inside cannot lift them. Version 2: a delegated scope made by systemd.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use machine::Cmd;
use rustix::process::{Pid, Signal, kill_process};

use crate::wait::until;
use crate::{Failure, files};

const ROOT: &str = "/sys/fs/cgroup";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Version {
    One,
    Two,
}

impl Version {
    pub(crate) fn word(self) -> &'static str {
        if self == Self::One { "version 1" } else { "version 2" }
    }
}

/// What this host has.
pub(crate) fn version() -> Version {
    if Path::new(ROOT).join("cgroup.controllers").exists() { Version::Two } else { Version::One }
}

/// The groups of one machine.
#[derive(Debug, Clone)]
pub(crate) struct Groups {
    id: String,
    version: Version,
}

impl Groups {
    pub(crate) fn of(id: &str) -> Self {
        Self { id: id.into(), version: version() }
    }

    fn name(&self) -> String {
        format!("qvmrun-{}", self.id)
    }

    /// The top groups of this machine that exist, one per hierarchy.
    fn tops(&self) -> Vec<PathBuf> {
        match self.version {
            Version::One => hierarchies().into_iter().map(|h| h.join(self.name())).filter(|p| p.is_dir()).collect(),
            Version::Two => {
                let ours = |p: &PathBuf| p.file_name().is_some_and(|n| n.to_string_lossy().starts_with(&self.name()));
                subdirs(&slice()).into_iter().filter(ours).collect()
            }
        }
    }

    /// Makes the groups and sets the machine's size. On version 2 systemd does so at each boot.
    pub(crate) fn make(&self, memory_mib: u32, cpus: u32) -> Result<(), Failure> {
        if self.version == Version::Two {
            return Ok(());
        }
        let bytes = (u64::from(memory_mib) << 20).to_string();
        for hierarchy in hierarchies() {
            let top = hierarchy.join(self.name());
            let node = top.join("node");
            files::dir(&top)?;
            inherit(&hierarchy, &top)?;
            if top.join("memory.limit_in_bytes").exists() {
                files::put(&top.join("memory.limit_in_bytes"), &bytes)?;
                let _ = files::put(&top.join("memory.memsw.limit_in_bytes"), &bytes);
            }
            if top.join("cpuset.cpus").exists() {
                let all = files::read(&hierarchy.join("cpuset.cpus"))?;
                files::put(&top.join("cpuset.cpus"), &least_used(&all, &hierarchy, &self.name(), cpus))?;
            }
            files::dir(&node)?;
            inherit(&top, &node)?;
        }
        Ok(())
    }

    /// Moves this process into the node's groups. On version 2 it is in its scope already.
    pub(crate) fn enter(&self) -> Result<(), Failure> {
        if self.version == Version::Two {
            return Ok(());
        }
        for top in self.tops() {
            files::put(&top.join("node/cgroup.procs"), "0")?;
        }
        Ok(())
    }

    /// Moves this process into the groups that a process of the node is in. On version 1 the node's own do.
    pub(crate) fn enter_beside(&self, pid: i32) -> Result<(), Failure> {
        if self.version == Version::One {
            return self.enter();
        }
        let text = files::read(Path::new(&format!("/proc/{pid}/cgroup")))?;
        let path = text.lines().find_map(|l| l.strip_prefix("0::/")).unwrap_or_default();
        files::put(&Path::new(ROOT).join(path).join("cgroup.procs"), "0")
    }

    /// On version 2, puts the command into a fresh delegated scope with the machine's size.
    pub(crate) fn wrap(&self, cmd: &Cmd, boot: u32, memory_mib: u32, cpus: u32) -> Result<Cmd, Failure> {
        if self.version == Version::One {
            return Ok(cmd.clone());
        }
        let all = files::read(&Path::new(ROOT).join("cpuset.cpus.effective"))?;
        let cpus = least_used(&all, &slice(), &self.name(), cpus);
        Ok(scope(&format!("{}-{boot}.scope", self.name()), memory_mib, &cpus, cmd))
    }

    /// Every process in the groups.
    pub(crate) fn processes(&self) -> BTreeSet<i32> {
        let mut found = BTreeSet::new();
        for top in self.tops() {
            collect(&top, &mut found);
        }
        found
    }

    pub(crate) fn is_populated(&self) -> bool {
        !self.processes().is_empty()
    }

    /// The node's process 1, by the id it has out here.
    pub(crate) fn init(&self) -> Option<i32> {
        let depth = namespace_pids("self").len();
        let is_init = |pid: &i32| {
            let pids = namespace_pids(&pid.to_string());
            pids.len() == depth + 1 && pids.last() == Some(&1)
        };
        self.processes().into_iter().find(is_init)
    }

    /// Ends every process, and comes back when none is left.
    pub(crate) fn kill(&self) -> Result<(), Failure> {
        let empty = until(Duration::from_secs(10), || {
            let left = self.processes();
            for pid in left.iter().copied().filter_map(Pid::from_raw) {
                let _ = kill_process(pid, Signal::KILL);
            }
            left.is_empty()
        });
        if empty { Ok(()) } else { Err(Failure::host("ending the machine's processes")("some do not end")) }
    }

    /// Removes the groups. Those still in use stay.
    pub(crate) fn remove(&self) {
        for top in self.tops() {
            remove_tree(&top);
        }
    }
}

/// Version 1: every mounted hierarchy once; `cpu` and `cpuacct` may be two names of one.
fn hierarchies() -> Vec<PathBuf> {
    let real = subdirs(Path::new(ROOT)).into_iter().filter_map(|p| fs::canonicalize(p).ok());
    let set: BTreeSet<PathBuf> = real.filter(|p| p.join("cgroup.procs").exists()).collect();
    set.into_iter().collect()
}

fn subdirs(dir: &Path) -> Vec<PathBuf> {
    fs::read_dir(dir).into_iter().flatten().flatten().map(|e| e.path()).filter(|p| p.is_dir()).collect()
}

/// A new group of the cpuset hierarchy is unusable until it has processors and memory nodes.
fn inherit(parent: &Path, child: &Path) -> Result<(), Failure> {
    for name in ["cpuset.cpus", "cpuset.mems"] {
        if parent.join(name).exists() {
            files::put(&child.join(name), &files::read(&parent.join(name))?)?;
        }
    }
    Ok(())
}

/// Version 2: where systemd puts the scopes of its own manager.
fn slice() -> PathBuf {
    Path::new(ROOT).join("system.slice")
}

/// The command in a scope that systemd makes for it and hands over to it. That the container gets the version 2 tree
/// is said outright: left alone, systemd-nspawn looks for a systemd in the tree, and for an installer without one it
/// mounts a version 1 hierarchy, which the host then keeps until it is restarted.
fn scope(unit: &str, memory_mib: u32, cpus: &str, cmd: &Cmd) -> Cmd {
    Cmd::new("systemd-run")
        .args(["--scope", "--quiet", "--collect", &format!("--unit={unit}"), "--property=Delegate=yes"])
        .args([format!("--property=MemoryMax={memory_mib}M"), "--property=MemorySwapMax=0".into()])
        .args([format!("--property=AllowedCPUs={cpus}"), "--".into()])
        .args(["env", "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1"])
        .args(cmd.argv())
}

/// The processors of `all` that the fewest other machines with groups in `parent` use, as a cpuset list.
fn least_used(all: &str, parent: &Path, own: &str, count: u32) -> String {
    let mut used: BTreeMap<u32, usize> = BTreeMap::new();
    for group in subdirs(parent) {
        let name = group.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.starts_with("qvmrun-") && !name.starts_with(own) {
            for cpu in parse_list(&files::read(&group.join("cpuset.cpus")).unwrap_or_default()) {
                *used.entry(cpu).or_default() += 1;
            }
        }
    }
    list(&pick(parse_list(all), &used, count))
}

fn pick(mut all: Vec<u32>, used: &BTreeMap<u32, usize>, count: u32) -> Vec<u32> {
    all.sort_by_key(|cpu| (used.get(cpu).copied().unwrap_or(0), std::cmp::Reverse(*cpu)));
    all.truncate(usize::try_from(count).unwrap_or(usize::MAX).max(1));
    all.sort_unstable();
    all
}

/// `0-2,5` -> 0 1 2 5.
fn parse_list(text: &str) -> Vec<u32> {
    let range = |part: &str| {
        let (a, b) = part.split_once('-').unwrap_or((part, part));
        Some(a.trim().parse::<u32>().ok()?..=b.trim().parse().ok()?)
    };
    text.trim().split(',').filter_map(range).flatten().collect()
}

fn list(cpus: &[u32]) -> String {
    cpus.iter().map(u32::to_string).collect::<Vec<_>>().join(",")
}

fn collect(group: &Path, into: &mut BTreeSet<i32>) {
    let procs = fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default();
    into.extend(procs.lines().filter_map(|l| l.parse::<i32>().ok()).filter(|pid| *pid > 0));
    for sub in subdirs(group) {
        collect(&sub, into);
    }
}

fn remove_tree(group: &Path) {
    for sub in subdirs(group) {
        remove_tree(&sub);
    }
    let _ = fs::remove_dir(group);
}

/// The ids a process has, from the namespace of this /proc down to its own.
fn namespace_pids(pid: &str) -> Vec<i32> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("NSpid:")).unwrap_or_default();
    line.split_whitespace().filter_map(|w| w.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_lists_are_read_and_written() {
        assert_eq!(parse_list("0-2,5\n"), [0, 1, 2, 5]);
        assert_eq!(parse_list(""), Vec::<u32>::new());
        assert_eq!(list(&[0, 3]), "0,3");
    }

    #[test]
    fn processors_of_other_machines_are_left_to_them() {
        let dir = tempfile::tempdir().unwrap();
        for (name, cpus) in [("qvmrun-aa-1.scope", "1"), ("qvmrun-bb-3.scope", "0"), ("ssh.service", "1")] {
            fs::create_dir(dir.path().join(name)).unwrap();
            fs::write(dir.path().join(name).join("cpuset.cpus"), cpus).unwrap();
        }
        assert_eq!(least_used("0-1\n", dir.path(), "qvmrun-aa", 1), "1");
        assert_eq!(least_used("0-1\n", dir.path(), "qvmrun-bb", 1), "0");
        assert_eq!(least_used("0-1\n", dir.path(), "qvmrun-cc", 2), "0,1");
    }

    #[test]
    fn a_node_in_its_scope() {
        let cmd = scope("qvmrun-0badcafe-2.scope", 1536, "0,1", &Cmd::new("systemd-nspawn").arg("--quiet"));
        insta::assert_snapshot!(cmd.argv().join("\n"));
    }

    #[test]
    fn machines_spread_over_the_processors() {
        let used = BTreeMap::from([(0, 1), (1, 2)]);
        assert_eq!(pick(vec![0, 1], &used, 1), [0]);
        assert_eq!(pick(vec![0, 1], &used, 2), [0, 1]);
        assert_eq!(pick(vec![0, 1], &used, 9), [0, 1]);
        assert_eq!(pick(vec![0, 1, 2], &BTreeMap::new(), 1), [2]);
    }
}
