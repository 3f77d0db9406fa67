//! Clones: a machine of its own on another one's snapshot, or a copy of everything. The clone's .vmx is written last: a
//! call that is killed leaves no machine, and can be repeated.

use std::fs;
use std::path::{Path, PathBuf};

use vmware::Vmx;

use super::hold;
use crate::engine::Engine;
use crate::home::Home;
use crate::vm::{MEMORY, Vm, id_of};
use crate::vm_error::VmError;
use crate::vmsd::{Snapshot, Vmsd};
use crate::{Failure, disk, files};

/// What is asked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wish<'a> {
    pub(super) target: &'a str,
    pub(super) linked: bool,
    pub(super) snapshot: Option<&'a str>,
    pub(super) name: Option<&'a str>,
}

pub(super) fn make(home: &Home, engine: &dyn Engine, vmx: &str, wish: &Wish<'_>) -> Result<(), VmError> {
    let (_held, source) = hold(home, vmx)?;
    let target = place(wish.target)?;
    let mut vmsd = Vmsd::load(&source)?;
    let snapshot = wish.snapshot.map(|name| vmsd.find(name).cloned()).transpose()?;
    if engine.is_on(&source) || (wish.linked && snapshot.is_none()) {
        return Err(VmError::BadParameter);
    }
    let then = as_it_was(&source, snapshot.as_ref())?;
    clear(&target);
    let stem = target.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let mut disks = Vec::new();
    for (n, device) in then.disks().into_iter().enumerate() {
        let name = match (wish.linked, n) {
            (true, n) => format!("{stem}-cl{}.qcow2", n + 1),
            (false, 0) => format!("{stem}.vmdk"),
            (false, n) => format!("{stem}-{n}.vmdk"),
        };
        let file = target.with_file_name(&name);
        if wish.linked {
            disk::overlay(&file, &device.file)?
        } else {
            disk::copy(&device.file, &file)?
        }
        disks.push((device.name, name));
    }
    let kept = snapshot.as_ref().map(|s| source.file(&format!("{}-Snapshot{}.nvram", source.stem(), s.uid)));
    let now = then.vmx.get("nvram").map(|name| source.file(name));
    let nvram = kept.into_iter().chain(now).find(|file| file.exists());
    if let Some(nvram) = &nvram {
        let to = target.with_file_name(format!("{stem}.nvram"));
        fs::copy(nvram, to).map_err(Failure::host(format!("copying {}", nvram.display())))?;
    }
    if wish.linked {
        record(&mut vmsd, snapshot.as_ref(), &target)?;
        let mut own = Vmsd::open(&target.with_extension("vmsd"))?;
        own.clone_of = Some(source.shown());
        own.save()?;
    }
    let name = wish.name.map_or_else(|| format!("Clone of {}", then.name()), str::to_owned);
    let text = configuration(&then, &target, &name, &disks)?.render();
    machine::write_file(&target, text.as_bytes(), 0o644).map_err(Failure::host("writing the clone's .vmx"))?;
    Ok(())
}

/// The .vmx of the clone, absolute; it must not be there yet.
fn place(target: &str) -> Result<PathBuf, VmError> {
    if !target.to_ascii_lowercase().ends_with(".vmx") {
        return Err(VmError::Suffix(target.into()));
    }
    let path = std::path::absolute(target).map_err(|_| VmError::BadParameter)?;
    if path.exists() {
        return Err(VmError::FileExists);
    }
    let dir = path.parent().unwrap_or(Path::new("/"));
    files::dir(dir)?;
    let dir = dir.canonicalize().map_err(Failure::host("finding the clone's folder"))?;
    Ok(dir.join(path.file_name().unwrap_or_default()))
}

/// Removes what calls that were killed left half made: there is no machine yet.
fn clear(target: &Path) {
    let begins = format!(".{}", target.file_stem().unwrap_or_default().to_string_lossy());
    let entries = target.parent().and_then(|dir| fs::read_dir(dir).ok()).into_iter().flatten().flatten();
    for entry in entries.filter(|e| e.path().is_dir()) {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with(&begins) && name.ends_with(".tmp") {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// The source with the configuration and the disks of its snapshot.
fn as_it_was(source: &Vm, snapshot: Option<&Snapshot>) -> Result<Vm, VmError> {
    let mut then = source.clone();
    if let Some(snapshot) = snapshot {
        let text = files::read(&source.file(&snapshot.config))?;
        then.vmx = Vmx::parse(&text).map_err(|_| VmError::BadConfig(snapshot.config.clone()))?;
        for (node, file) in &snapshot.disks {
            then.vmx.set(&format!("{node}.fileName"), file);
        }
    }
    Ok(then)
}

fn record(vmsd: &mut Vmsd, snapshot: Option<&Snapshot>, target: &Path) -> Result<(), Failure> {
    let shown = target.display().to_string();
    let entry = vmsd.snapshots.iter_mut().find(|s| snapshot.is_some_and(|wanted| wanted.uid == s.uid));
    if let Some(entry) = entry.filter(|s| !s.clones.contains(&shown)) {
        entry.clones.push(shown);
        vmsd.save()?;
    }
    Ok(())
}

/// The source's configuration with everything that must be the clone's own.
fn configuration(then: &Vm, target: &Path, name: &str, disks: &[(String, String)]) -> Result<Vmx, VmError> {
    let mut vmx = then.vmx.clone();
    for key in ["uuid.location", MEMORY, "ethernet0.generatedAddress", "ethernet0.generatedAddressOffset"] {
        vmx.remove(key);
    }
    vmx.set("displayName", name);
    vmx.set("cleanShutdown", "TRUE");
    vmx.set("uuid.bios", &fresh_uuid()?);
    if vmx.get("nvram").is_some() {
        vmx.set("nvram", &format!("{}.nvram", target.file_stem().unwrap_or_default().to_string_lossy()));
    }
    for device in then.devices().into_iter().filter(|d| d.cdrom) {
        vmx.set(&format!("{}.fileName", device.name), &device.file.display().to_string());
    }
    for (node, file) in disks {
        vmx.set(&format!("{node}.fileName"), file);
    }
    Ok(vmx)
}

/// A random one, in VMware's way of writing: two groups of eight bytes.
fn fresh_uuid() -> Result<String, Failure> {
    let text = files::read(Path::new("/proc/sys/kernel/random/uuid"))?;
    let digits: String = text.chars().filter(char::is_ascii_hexdigit).collect();
    let pairs: Vec<&str> = digits.as_bytes().chunks(2).map(|c| std::str::from_utf8(c).unwrap_or("00")).collect();
    let half = |part: &[&str]| part.join(" ");
    Ok(format!("{}-{}", half(&pairs[..8.min(pairs.len())]), half(&pairs[8.min(pairs.len())..])))
}

/// Takes a machine that goes out of the list of its source's clones.
pub(super) fn forget(home: &Home, vm: &Vm) -> Result<(), VmError> {
    let Some(source) = Vmsd::load(vm)?.clone_of else { return Ok(()) };
    let _held = home.hold(&id_of(Path::new(&source)))?;
    let Ok(source) = Vm::open(&source) else { return Ok(()) };
    let mut vmsd = Vmsd::load(&source)?;
    let shown = vm.shown();
    vmsd.snapshots.iter_mut().for_each(|s| s.clones.retain(|c| *c != shown));
    vmsd.save().map_err(Into::into)
}
