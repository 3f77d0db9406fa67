//! The .vmsd beside a .vmx: the machine's snapshots, under VMware's own keys.

use std::fs;
use std::path::{Path, PathBuf};

use vmware::Vmx;

use crate::Failure;
use crate::vm::Vm;
use crate::vm_error::VmError;

/// A snapshot.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Snapshot {
    pub(crate) uid: u32,
    /// The snapshot it was taken after.
    pub(crate) parent: Option<u32>,
    pub(crate) name: String,
    /// The .vmx as it was then, by name, beside the .vmx.
    pub(crate) config: String,
    /// Whether the machine's memory is part of it.
    pub(crate) live: bool,
    /// Device and file name of each disk, frozen since.
    pub(crate) disks: Vec<(String, String)>,
    /// The .vmx files of its linked clones.
    pub(crate) clones: Vec<String>,
}

/// All snapshots of a machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Vmsd {
    path: PathBuf,
    /// Keys we do not know are kept.
    text: Vmx,
    last: u32,
    /// What the machine was last at.
    pub(crate) current: Option<u32>,
    pub(crate) snapshots: Vec<Snapshot>,
    /// The machine this one is a linked clone of.
    pub(crate) clone_of: Option<String>,
}

impl Vmsd {
    /// Of this machine; an empty one where there is none.
    pub(crate) fn load(vm: &Vm) -> Result<Self, Failure> {
        Self::open(&vm.path.with_extension("vmsd"))
    }

    /// The file at this path.
    pub(crate) fn open(path: &Path) -> Result<Self, Failure> {
        let path = path.to_owned();
        let text = match fs::read(&path) {
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(source) => return Err(Failure::File { path, doing: "not read", source }),
        };
        let text = Vmx::parse(&text).map_err(Failure::host(format!("reading {}", path.display())))?;
        let number = |key: &str| text.get(key).and_then(|v| v.trim().parse::<u32>().ok());
        let word = |key: String| text.get(&key).unwrap_or_default().to_owned();
        let mut snapshots = Vec::new();
        for n in 0..number("snapshot.numSnapshots").unwrap_or(0) {
            let key = |name: &str| format!("snapshot{n}.{name}");
            let Some(uid) = number(&key("uid")).filter(|uid| snapshots.iter().all(|s: &Snapshot| s.uid != *uid)) else {
                continue;
            };
            let count = |name: &str| number(&key(name)).unwrap_or(0);
            let disk = |d| (word(key(&format!("disk{d}.node"))), word(key(&format!("disk{d}.fileName"))));
            snapshots.push(Snapshot {
                uid,
                parent: number(&key("parent")).filter(|p| *p != 0),
                name: word(key("displayName")),
                config: word(key("filename")),
                live: number(&key("type")) == Some(1),
                disks: (0..count("numDisks")).map(disk).collect(),
                clones: (0..count("numClones")).map(|c| word(key(&format!("clone{c}")))).collect(),
            });
        }
        let last = number("snapshot.lastUID").unwrap_or(0).max(snapshots.iter().map(|s| s.uid).max().unwrap_or(0));
        let current = number("snapshot.current").filter(|uid| snapshots.iter().any(|s| s.uid == *uid));
        let clone_of = text.get("cloneOf0").map(str::to_owned);
        Ok(Self { path, last, current, snapshots, clone_of, text })
    }

    /// Writes it, whole or not at all.
    pub(crate) fn save(&self) -> Result<(), Failure> {
        let text = self.render();
        machine::write_file(&self.path, text.as_bytes(), 0o644)
            .map_err(Failure::host("writing the snapshots' list"))?;
        Ok(())
    }

    fn render(&self) -> String {
        let mut text = self.text.clone();
        let ours: Vec<String> = text
            .entries()
            .map(|(k, _)| k.to_owned())
            .filter(|k| k.to_ascii_lowercase().starts_with("snapshot"))
            .collect();
        ours.iter().for_each(|key| text.remove(key));
        let mut put = |key: String, value: &str| text.set(&key, value);
        put(".encoding".into(), "UTF-8");
        if let Some(source) = &self.clone_of {
            put("cloneOf0".into(), source);
            put("numCloneOf".into(), "1");
        }
        put("snapshot.lastUID".into(), &self.last.to_string());
        put("snapshot.current".into(), &self.current.unwrap_or(0).to_string());
        for (n, snapshot) in self.snapshots.iter().enumerate() {
            let mut put = |name: &str, value: &str| put(format!("snapshot{n}.{name}"), value);
            put("uid", &snapshot.uid.to_string());
            put("filename", &snapshot.config);
            if let Some(parent) = snapshot.parent {
                put("parent", &parent.to_string());
            }
            put("displayName", &snapshot.name);
            if snapshot.live {
                put("type", "1");
            }
            for (d, (node, file)) in snapshot.disks.iter().enumerate() {
                put(&format!("disk{d}.fileName"), file);
                put(&format!("disk{d}.node"), node);
            }
            put("numDisks", &snapshot.disks.len().to_string());
            for (c, clone) in snapshot.clones.iter().enumerate() {
                put(&format!("clone{c}"), clone);
            }
            put("numClones", &snapshot.clones.len().to_string());
        }
        put("snapshot.numSnapshots".into(), &self.snapshots.len().to_string());
        text.render()
    }

    /// The number that the next snapshot gets.
    pub(crate) fn next(&self) -> u32 {
        self.last + 1
    }

    /// Adds a snapshot; the machine is at it now.
    pub(crate) fn add(&mut self, snapshot: Snapshot) {
        self.last = self.last.max(snapshot.uid);
        self.current = Some(snapshot.uid);
        self.snapshots.push(snapshot);
    }

    /// Removes a snapshot; those taken after it, and the machine, move to its parent.
    pub(crate) fn remove(&mut self, uid: u32) {
        let Some(at) = self.snapshots.iter().position(|s| s.uid == uid) else { return };
        let parent = self.snapshots.remove(at).parent;
        for child in self.snapshots.iter_mut().filter(|s| s.parent == Some(uid)) {
            child.parent = parent;
        }
        if self.current == Some(uid) {
            self.current = parent;
        }
    }

    /// The snapshot of this name, or at this path `a/b`, as vmrun looks for it.
    pub(crate) fn find(&self, name: &str) -> Result<&Snapshot, VmError> {
        let named: Vec<&Snapshot> = self.snapshots.iter().filter(|s| s.name == name).collect();
        match named[..] {
            [one] => return Ok(one),
            [] => {}
            _ => return Err(VmError::SnapshotNotUnique(name.into())),
        }
        let at: Vec<&Snapshot> = self.snapshots.iter().filter(|s| self.is_at(s, name)).collect();
        match at[..] {
            [one] => Ok(one),
            [] => Err(VmError::NoSnapshot(name.into())),
            _ => Err(VmError::SnapshotNotUnique(name.into())),
        }
    }

    fn is_at(&self, snapshot: &Snapshot, path: &str) -> bool {
        let Some(before) = path.strip_suffix(&snapshot.name).filter(|_| !snapshot.name.is_empty()) else {
            return false;
        };
        let parent = snapshot.parent.and_then(|uid| self.snapshots.iter().find(|s| s.uid == uid));
        match before.strip_suffix('/') {
            None => before.is_empty() && parent.is_none(),
            Some(rest) => parent.is_some_and(|p| self.is_at(p, rest)),
        }
    }

    /// All snapshots, parents before their children, each with its depth.
    pub(crate) fn tree(&self) -> Vec<(usize, &Snapshot)> {
        let mut found = Vec::new();
        self.below(None, 0, &mut found);
        found
    }

    fn below<'a>(&'a self, parent: Option<u32>, depth: usize, into: &mut Vec<(usize, &'a Snapshot)>) {
        let known = |uid: &u32| self.snapshots.iter().any(|s| s.uid == *uid);
        for snapshot in self.snapshots.iter().filter(|s| s.parent.filter(known) == parent) {
            into.push((depth, snapshot));
            self.below(Some(snapshot.uid), depth + 1, into);
        }
    }

    /// A snapshot and everything that was taken after it, children first.
    pub(crate) fn with_children(&self, uid: u32) -> Vec<u32> {
        let tree = self.tree();
        let Some(at) = tree.iter().position(|(_, s)| s.uid == uid) else { return Vec::new() };
        let depth = tree[at].0;
        let after = tree[at + 1..].iter().take_while(|(d, _)| *d > depth);
        let mut found: Vec<u32> = std::iter::once(uid).chain(after.map(|(_, s)| s.uid)).collect();
        found.reverse();
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot(uid: u32, parent: Option<u32>, name: &str) -> Snapshot {
        let disks = vec![("nvme0:0".to_owned(), "m.vmdk".to_owned())];
        let clones = if uid == 1 { vec!["/c/c.vmx".to_owned()] } else { vec![] };
        Snapshot {
            uid,
            parent,
            name: name.into(),
            config: format!("m-Snapshot{uid}.vmx"),
            live: uid == 2,
            disks,
            clones,
        }
    }

    fn list(dir: &Path) -> Vmsd {
        let mut vmsd = Vmsd::open(&dir.join("m.vmsd")).unwrap();
        for (uid, parent, name) in [(1, None, "a"), (2, Some(1), "b"), (3, Some(1), "c"), (4, Some(3), "b")] {
            assert_eq!(vmsd.next(), uid);
            vmsd.add(snapshot(uid, parent, name));
        }
        vmsd
    }

    #[test]
    fn the_file_has_vmwares_keys_and_comes_back() {
        let dir = tempfile::tempdir().unwrap();
        let vmsd = list(dir.path());
        vmsd.save().unwrap();
        insta::assert_snapshot!(fs::read_to_string(dir.path().join("m.vmsd")).unwrap());
        let again = Vmsd::open(&dir.path().join("m.vmsd")).unwrap();
        assert_eq!((again.last, again.current, &again.snapshots), (4, Some(4), &vmsd.snapshots));
    }

    #[test]
    fn names_and_paths() {
        let dir = tempfile::tempdir().unwrap();
        let vmsd = list(dir.path());
        let uid = |name: &str| vmsd.find(name).map(|s| s.uid).map_err(|e| e.to_string());
        assert_eq!((uid("a"), uid("a/b"), uid("a/c/b"), uid("a/c")), (Ok(1), Ok(2), Ok(4), Ok(3)));
        assert!(uid("b").unwrap_err().contains("not unique"));
        assert!(uid("c/b").is_err() && uid("").is_err() && uid("x").is_err());
    }

    #[test]
    fn the_tree_and_what_a_removal_leaves() {
        let dir = tempfile::tempdir().unwrap();
        let mut vmsd = list(dir.path());
        let shape = |v: &Vmsd| v.tree().iter().map(|(d, s)| format!("{d}{}", s.name)).collect::<Vec<_>>().join(" ");
        assert_eq!(shape(&vmsd), "0a 1b 1c 2b");
        assert_eq!((vmsd.with_children(3), vmsd.with_children(1)), (vec![4, 3], vec![4, 3, 2, 1]));
        vmsd.remove(4);
        assert_eq!((vmsd.current, shape(&vmsd).as_str()), (Some(3), "0a 1b 1c"));
        vmsd.remove(1);
        assert_eq!((vmsd.current, shape(&vmsd).as_str()), (Some(3), "0b 0c"));
    }
}
