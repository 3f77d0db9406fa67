//! What a run leaves behind: of the user's, everything; of its own, no more than a lab at work has.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use crate::foreign;
use crate::host;
use crate::proof::{Fail, ensure};
use crate::world::World;

/// Files of a user's own, with odd names and modes, in every folder the product writes to.
pub(super) struct Foreign(Vec<(PathBuf, String)>);

impl Foreign {
    pub(super) fn plant(world: &World) -> Result<Self, Fail> {
        let lab = world.lab_dir();
        let places = [
            world.scratch("beside the lab file.txt"),
            world.work().join(".notes.tmp"),
            world.work().join(".airlab/another-lab/keep me"),
            lab.join("nodes/first/my notes.txt"),
            lab.join("nodes/mine/mine.vmx"),
            lab.join("pki/README"),
            world.scratch("home/.kube/config.old"),
        ];
        let files = places.into_iter().enumerate().map(|(n, p)| (p, format!("{n}: not airlab's\n"))).collect();
        let planted = Self(files);
        planted.replant(world)?;
        Ok(planted)
    }

    /// Those in the lab's folder go with the lab; they are put back.
    pub(super) fn replant(&self, _: &World) -> Result<(), Fail> {
        for (path, text) in &self.0 {
            fs::create_dir_all(path.parent().unwrap_or(Path::new("/")))?;
            fs::write(path, text)?;
        }
        Ok(())
    }

    pub(super) fn untouched(&self, _: &World) -> Result<(), Fail> {
        for (path, text) in &self.0 {
            let now = fs::read_to_string(path).unwrap_or_default();
            ensure!(now == *text, "{} was touched: {now:?}", path.display());
        }
        Ok(())
    }

    /// After destroy the user's kubeconfig is what it was.
    pub(super) fn kubeconfig_as_before(&self, world: &World) -> Result<(), Fail> {
        let text = fs::read_to_string(world.user_kubeconfig())?;
        ensure!(text == foreign::KUBECONFIG, "the user's kubeconfig differs: {text}");
        Ok(())
    }
}

/// Processes, mounts, loop devices, control groups and unfinished files, without the numbers that differ by chance.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Shape {
    things: BTreeMap<String, usize>,
}

impl Shape {
    pub(super) fn look(world: &World) -> Result<Self, Fail> {
        let root = world.scratch("").display().to_string();
        let mut things = BTreeMap::new();
        let mut add = |kind: &str, what: String| *things.entry(format!("{kind} {what}")).or_default() += 1;
        for line in host::processes(&root) {
            let mut words = line.split_whitespace().skip(1);
            let program = words.next().unwrap_or_default().rsplit('/').next().unwrap_or_default().to_owned();
            add("process", format!("{program} {}", words.next().unwrap_or_default()));
        }
        let ours = |line: &&String| line.contains(root.trim_end_matches('/'));
        let mounts = fs::read_to_string("/proc/self/mountinfo")?.lines().map(str::to_owned).collect();
        host::mounts(&mounts).iter().filter(ours).for_each(|m| add("mount", m.clone()));
        let loops = world.ok(world.bare("losetup").args(["--noheadings", "--output", "OFFSET,BACK-FILE"]))?.text();
        loops.lines().map(|l| l.trim().to_owned()).filter(|l| ours(&l)).for_each(|l| add("loop device", l));
        let machines = fs::read_dir(world.lab_dir().join("provider/machines")).into_iter().flatten().flatten();
        let machines: Vec<String> = machines.map(|e| e.file_name().to_string_lossy().into_owned()).collect();
        let groups = host::cgroups().into_iter().filter_map(|g| machine_group(&g));
        groups.filter(|g| machines.iter().any(|id| g.ends_with(id))).for_each(|g| add("control group", g));
        for path in unfinished(&[world.work(), world.scratch("home")]) {
            add("unfinished", path.display().to_string());
        }
        Ok(Self { things })
    }

    pub(super) fn same_as(&self, wanted: &Self) -> Result<(), Fail> {
        let keys: BTreeSet<&String> = self.things.keys().chain(wanted.things.keys()).collect();
        let count = |of: &Self, key: &String| of.things.get(key).copied().unwrap_or(0);
        let differs = |key: &&String| {
            let (now, then) = (count(self, key), count(wanted, key));
            (now != then).then(|| format!("{key}: {now} instead of {then}"))
        };
        let found: Vec<String> = keys.iter().filter_map(differs).collect();
        ensure!(found.is_empty(), "{}", found.join("; "));
        Ok(())
    }

    /// Fails when anything is there at all.
    pub(super) fn is_nothing(&self) -> Result<(), Fail> {
        self.same_as(&Self { things: BTreeMap::new() })
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
        for (thing, count) in &self.things {
            *kinds.entry(thing.split(' ').next().unwrap_or_default()).or_default() += count;
        }
        let words: Vec<String> = kinds.iter().map(|(kind, n)| format!("{n} x {kind}")).collect();
        f.write_str(&words.join(", "))
    }
}

/// The group of a machine as a whole, without what its node makes below.
fn machine_group(path: &str) -> Option<String> {
    let (front, name) = path.split_once("/qvmrun-")?;
    // the counter of boots is part of a scope's name
    (!name.contains('/')).then(|| format!("{front}/qvmrun-{}", name.split(['-', '.']).next().unwrap_or(name)))
}

/// Files that only exist while something is written, except the user's own.
fn unfinished(roots: &[PathBuf]) -> Vec<PathBuf> {
    fn walk(dir: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
            let path = entry.path();
            let name = entry.file_name().to_string_lossy().into_owned();
            let temporary = [".tmp", ".partial", ".part", ".new"].iter().any(|end| name.ends_with(end));
            if temporary || name == "_uploads" {
                found.push(path.clone());
            }
            // A machine's root is a file system of its own.
            if entry.file_type().is_ok_and(|t| t.is_dir())
                && !path.ends_with("provider/machines")
                && !path.ends_with("provider/volumes")
            {
                walk(&path, found);
            }
        }
    }
    let mut found = Vec::new();
    roots.iter().for_each(|root| walk(root, &mut found));
    found.retain(|path| !path.ends_with("work/.notes.tmp"));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machines_group_is_counted_once_whatever_its_boot() {
        assert_eq!(machine_group("/sys/fs/cgroup/cpu/qvmrun-ab12").unwrap(), "/sys/fs/cgroup/cpu/qvmrun-ab12");
        assert_eq!(
            machine_group("/sys/fs/cgroup/system.slice/qvmrun-ab12-3.scope").unwrap(),
            "/sys/fs/cgroup/system.slice/qvmrun-ab12"
        );
        assert_eq!(machine_group("/sys/fs/cgroup/cpu/qvmrun-ab12/node/kubepods"), None);
    }
}
