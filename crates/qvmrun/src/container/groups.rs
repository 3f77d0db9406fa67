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

use super::until;
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
                let scopes = subdirs(&Path::new(ROOT).join("system.slice"));
                let ours = |p: &PathBuf| p.file_name().is_some_and(|n| n.to_string_lossy().starts_with(&self.name()));
                scopes.into_iter().filter(ours).collect()
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
                let cpus = least_used(&hierarchy, &self.name(), cpus)?;
                files::put(&top.join("cpuset.cpus"), &cpus)?;
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

    /// On version 2, puts the command into a fresh delegated scope with the machine's size.
    pub(crate) fn wrap(&self, cmd: &Cmd, boot: u32, memory_mib: u32, cpus: u32) -> Result<Cmd, Failure> {
        if self.version == Version::One {
            return Ok(cmd.clone());
        }
        let all = parse_list(&files::read(&Path::new(ROOT).join("cpuset.cpus.effective"))?);
        let first = self.id.bytes().map(usize::from).sum::<usize>();
        let count = usize::try_from(cpus).unwrap_or(1).min(all.len());
        let chosen: Vec<u32> = (0..count).filter_map(|i| all.get((first + i) % all.len()).copied()).collect();
        let mut scope = Cmd::new("systemd-run").args(["--scope", "--quiet", "--collect"]);
        scope = scope.arg(format!("--unit={}-{boot}.scope", self.name()));
        for property in
            ["Delegate=yes".into(), format!("MemoryMax={memory_mib}M"), format!("AllowedCPUs={}", list(&chosen))]
        {
            scope = scope.arg(format!("--property={property}"));
        }
        Ok(scope.arg("--").args(cmd.argv()))
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

/// The processors that the fewest other machines use, as a cpuset list.
fn least_used(hierarchy: &Path, own: &str, count: u32) -> Result<String, Failure> {
    let all = parse_list(&files::read(&hierarchy.join("cpuset.cpus"))?);
    let mut used: BTreeMap<u32, usize> = BTreeMap::new();
    for group in subdirs(hierarchy) {
        let name = group.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.starts_with("qvmrun-") && name != own {
            for cpu in parse_list(&files::read(&group.join("cpuset.cpus")).unwrap_or_default()) {
                *used.entry(cpu).or_default() += 1;
            }
        }
    }
    Ok(list(&pick(all, &used, count)))
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
    fn machines_spread_over_the_processors() {
        let used = BTreeMap::from([(0, 1), (1, 2)]);
        assert_eq!(pick(vec![0, 1], &used, 1), [0]);
        assert_eq!(pick(vec![0, 1], &used, 2), [0, 1]);
        assert_eq!(pick(vec![0, 1], &used, 9), [0, 1]);
        assert_eq!(pick(vec![0, 1, 2], &BTreeMap::new(), 1), [2]);
    }
}
