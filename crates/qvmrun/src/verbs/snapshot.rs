//! Snapshots. A snapshot freezes the disks; the machine goes on in empty overlays on them.
//!
//! The .vmx is written before the .vmsd, each whole or not at all: a call that is killed in between leaves a machine on
//! an overlay that nobody recorded, which shows the same disk. The other way round it would write into a frozen disk.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use vmware::Vmx;

use super::hold;
use crate::engine::Engine;
use crate::grammar::How;
use crate::home::Home;
use crate::vm::{Device, MEMORY, Vm};
use crate::vm_error::VmError;
use crate::vmsd::{Snapshot, Vmsd};
use crate::{Failure, disk, files};

/// What `listSnapshots` prints.
pub(super) fn list(vm: &Vm, tree: bool) -> Result<String, VmError> {
    let vmsd = Vmsd::load(vm)?;
    let mut text = format!("Total snapshots: {}\n", vmsd.snapshots.len());
    for (depth, snapshot) in vmsd.tree() {
        let _ = writeln!(text, "{}{}", "\t".repeat(if tree { depth } else { 0 }), snapshot.name);
    }
    Ok(text)
}

pub(super) fn take(home: &Home, engine: &dyn Engine, vmx: &str, name: &str) -> Result<(), VmError> {
    let (_held, vm) = hold(home, vmx)?;
    let mut vmsd = Vmsd::load(&vm)?;
    if name.is_empty() || name.contains('/') {
        return Err(VmError::BadParameter);
    }
    if vmsd.snapshots.iter().any(|s| s.name == name) {
        return Err(VmError::SnapshotExists);
    }
    let uid = vmsd.next();
    let own = |suffix: &str| format!("{}-Snapshot{uid}.{suffix}", vm.stem());
    let running = engine.is_on(&vm);
    let disks = vm.disks();
    let snapshot = Snapshot {
        uid,
        parent: vmsd.current,
        name: name.into(),
        config: own("vmx"),
        live: running || vm.suspended().is_some(),
        disks: disks.iter().map(|d| (d.name.clone(), shown(&vm, &d.file))).collect(),
        clones: Vec::new(),
    };
    let mut then = vm.vmx.clone();
    then.remove(MEMORY);
    then.set("cleanShutdown", "TRUE");
    machine::write_file(&vm.file(&own("vmx")), then.render().as_bytes(), 0o644)
        .map_err(Failure::host("writing the snapshot's configuration"))?;
    if let Some(nvram) = nvram(&vm).filter(|file| file.exists()) {
        copy(&nvram, &vm.file(&own("nvram")))?;
    }
    if let Some(memory) = vm.suspended().filter(|_| !running) {
        share(&memory, &vm.file(&own("vmem")))?;
    }
    let overlays = overlays(&vm, disks)?;
    let now = on_overlays(&vm, &overlays);
    now.save()?;
    if running && let Err(error) = engine.snapshot_live(&vm, &vm.file(&own("vmem")), &overlays) {
        if matches!(error, VmError::NotSupported) {
            vm.save()?; // nothing was done; otherwise nobody knows, and the overlays show the same disks
            [own("vmx"), own("nvram")].iter().for_each(|name| drop(fs::remove_file(vm.file(name))));
            overlays.iter().for_each(|(_, file)| drop(fs::remove_file(file)));
        }
        return Err(error);
    }
    vmsd.add(snapshot);
    vmsd.save().map_err(Into::into)
}

pub(super) fn revert(home: &Home, engine: &dyn Engine, vmx: &str, name: &str) -> Result<(), VmError> {
    let (_held, mut vm) = hold(home, vmx)?;
    let mut vmsd = Vmsd::load(&vm)?;
    let snapshot = vmsd.find(name)?.clone();
    if engine.is_on(&vm) {
        engine.stop(&vm, How::Hard)?;
        vm = Vm::open(vmx)?;
    }
    let left = vm.suspended();
    let text = files::read(&vm.file(&snapshot.config))?;
    vm.vmx = Vmx::parse(&text).map_err(|_| VmError::BadConfig(snapshot.config.clone()))?;
    let overlays = overlays(&vm, vm.disks())?;
    let mut now = on_overlays(&vm, &overlays);
    now.vmx.remove(MEMORY);
    let own = |suffix: &str| vm.file(&format!("{}-Snapshot{}.{suffix}", vm.stem(), snapshot.uid));
    if snapshot.live {
        let memory = format!("{}-Snapshot{}.vmss", vm.stem(), snapshot.uid);
        share(&own("vmem"), &vm.file(&memory))?;
        now.vmx.set(MEMORY, &memory);
    }
    if let Some(nvram) = nvram(&vm).filter(|_| own("nvram").exists()) {
        copy(&own("nvram"), &nvram)?;
    }
    now.save()?;
    vmsd.current = Some(snapshot.uid);
    vmsd.save()?;
    if let Some(left) = left.filter(|file| Some(file) != now.suspended().as_ref()) {
        let _ = fs::remove_file(left);
    }
    tidy(&now, &vmsd, false).map_err(Into::into)
}

pub(super) fn remove(home: &Home, engine: &dyn Engine, vmx: &str, name: &str, children: bool) -> Result<(), VmError> {
    let (_held, vm) = hold(home, vmx)?;
    let mut vmsd = Vmsd::load(&vm)?;
    let uid = vmsd.find(name)?.uid;
    let all = if children { vmsd.with_children(uid) } else { vec![uid] };
    let gone: Vec<Snapshot> = vmsd.snapshots.iter().filter(|s| all.contains(&s.uid)).cloned().collect();
    let needed: Vec<String> = gone.iter().flat_map(|s| living_clones(&vm, s)).collect();
    if !needed.is_empty() {
        return Err(VmError::HasClones(needed.join(" ")));
    }
    all.iter().for_each(|uid| vmsd.remove(*uid));
    vmsd.save()?;
    for snapshot in gone {
        for suffix in ["vmx", "vmem", "nvram"] {
            let _ = fs::remove_file(vm.file(&format!("{}-Snapshot{}.{suffix}", vm.stem(), snapshot.uid)));
        }
    }
    tidy(&vm, &vmsd, !engine.is_on(&vm)).map_err(Into::into)
}

/// The linked clones of a snapshot that are still there and still stand on one of this machine's disks.
pub(super) fn living_clones(vm: &Vm, snapshot: &Snapshot) -> Vec<String> {
    let stands_on_ours = |vmx: &String| {
        Vm::open(vmx)
            .is_ok_and(|clone| clone.path != vm.path && used(&clone).iter().any(|file| file.parent() == Some(vm.dir())))
    };
    snapshot.clones.iter().filter(|vmx| stands_on_ours(vmx)).cloned().collect()
}

/// Every disk file that a machine stands on: its disks, those of its snapshots, and all below them.
pub(super) fn used(vm: &Vm) -> BTreeSet<PathBuf> {
    let vmsd = Vmsd::load(vm).ok();
    let recorded = vmsd.iter().flat_map(|v| frozen(vm, v)).collect::<Vec<_>>();
    let own = vm.disks().into_iter().map(|d| d.file);
    own.chain(recorded).flat_map(|file| disk::chain(&file)).collect()
}

fn frozen<'a>(vm: &'a Vm, vmsd: &'a Vmsd) -> impl Iterator<Item = PathBuf> + 'a {
    vmsd.snapshots.iter().flat_map(|s| &s.disks).map(|(_, file)| vm.file(file))
}

/// A disk's path as the .vmx gives it: by name where it is beside the .vmx.
fn shown(vm: &Vm, file: &Path) -> String {
    let name = if file.parent() == Some(vm.dir()) { file.file_name().map(Path::new) } else { None };
    name.unwrap_or(file).display().to_string()
}

/// A new empty overlay `STEM-00000N.qcow2` for each disk.
fn overlays(vm: &Vm, disks: Vec<Device>) -> Result<Vec<(Device, PathBuf)>, Failure> {
    let mut made = Vec::new();
    for device in disks {
        let names = (1..).map(|n| vm.file(&format!("{}-{n:06}.qcow2", vm.stem())));
        let new = names.into_iter().find(|p| !p.exists()).unwrap_or_default();
        disk::overlay(&new, &device.file)?;
        made.push((device, new));
    }
    Ok(made)
}

/// The machine with its disks in these overlays.
fn on_overlays(vm: &Vm, overlays: &[(Device, PathBuf)]) -> Vm {
    let mut now = vm.clone();
    for (device, file) in overlays {
        now.vmx.set(&format!("{}.fileName", device.name), &shown(vm, file));
    }
    now
}

fn nvram(vm: &Vm) -> Option<PathBuf> {
    vm.vmx.get("nvram").map(|name| vm.file(name))
}

fn copy(from: &Path, to: &Path) -> Result<(), Failure> {
    fs::copy(from, to).map_err(Failure::host(format!("copying {}", from.display())))?;
    Ok(())
}

/// The same bytes under a second name. Memory is only ever read, and removed by name.
fn share(from: &Path, to: &Path) -> Result<(), Failure> {
    let _ = fs::remove_file(to);
    fs::hard_link(from, to).or_else(|_| copy(from, to))
}

/// Removes overlays that nobody stands on, and with `merge` also those that one other file could do without.
/// Whenever this is killed, every disk shows what it showed before; the next call goes on.
fn tidy(vm: &Vm, vmsd: &Vmsd, merge: bool) -> Result<(), Failure> {
    let mut vm = vm.clone();
    let clones = vmsd.snapshots.iter().flat_map(|s| living_clones(&vm, s));
    let foreign: BTreeSet<PathBuf> = clones.filter_map(|vmx| Vm::open(&vmx).ok()).flat_map(|c| used(&c)).collect();
    loop {
        let kept: BTreeSet<PathBuf> = frozen(&vm, vmsd).collect();
        let needed: BTreeSet<PathBuf> = used(&vm);
        for file in ours(&vm).into_iter().filter(|file| !needed.contains(file) && !foreign.contains(file)) {
            let _ = fs::remove_file(file);
        }
        if !merge || !step(&mut vm, &kept, &foreign)? {
            return Ok(());
        }
    }
}

/// One merge; says whether there was one to do. What clones stand on is not touched.
fn step(vm: &mut Vm, kept: &BTreeSet<PathBuf>, foreign: &BTreeSet<PathBuf>) -> Result<bool, Failure> {
    let files = ours(vm);
    // What a file is laid over, if that is an unrecorded disk of this machine that nothing else needs.
    let spare = |top: &Path| {
        let below = disk::backing(top)?;
        let tops = files.iter().filter(|f| disk::backing(f).as_ref() == Some(&below)).count();
        let free = below.parent() == Some(vm.dir()) && !kept.contains(&below) && !foreign.contains(&below);
        (free && tops == 1).then_some(below)
    };
    for device in vm.disks().into_iter().filter(|d| !kept.contains(&d.file) && !foreign.contains(&d.file)) {
        if let Some(below) = spare(&device.file) {
            disk::commit(&device.file)?;
            vm.vmx.set(&format!("{}.fileName", device.name), &shown(vm, &below));
            vm.save().map_err(|e| Failure::host("writing the .vmx")(e.to_string()))?;
            return Ok(true);
        }
    }
    for top in files.iter().filter(|top| !foreign.contains(*top)) {
        if let Some(base) = spare(top).as_deref().and_then(disk::backing) {
            disk::rebase(top, &base)?;
            return Ok(true);
        }
    }
    Ok(false)
}

/// The overlays in the machine's folder that are its own, by their names.
pub(super) fn ours(vm: &Vm) -> Vec<PathBuf> {
    let stem = vm.stem();
    let is_ours = |name: &str| {
        let Some(rest) = name.strip_prefix(&stem).and_then(|r| r.strip_prefix('-')?.strip_suffix(".qcow2")) else {
            return false;
        };
        let digits = rest.strip_prefix("cl").unwrap_or(rest);
        !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit())
    };
    let entries = fs::read_dir(vm.dir()).into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> =
        entries.filter(|e| is_ours(&e.file_name().to_string_lossy())).map(|e| e.path()).collect();
    found.sort();
    found
}
