//! `deleteVM`.

use std::fs;
use std::path::{Path, PathBuf};

use super::{clone, hold, snapshot, variables};
use crate::Failure;
use crate::engine::Engine;
use crate::home::Home;
use crate::vm::{Vm, beside};
use crate::vm_error::VmError;
use crate::vmsd::Vmsd;

/// Removes the machine's own files, and its folder if nothing else is in it. Its ISO files are not its own. The .vmx goes
/// last: a call that is killed can be repeated.
pub(super) fn delete(home: &Home, engine: &dyn Engine, vmx: &str) -> Result<(), VmError> {
    let (_held, vm) = hold(home, vmx)?;
    if engine.is_on(&vm) {
        return Err(VmError::On(vmx.into()));
    }
    let vmsd = Vmsd::load(&vm)?;
    let clones: Vec<String> = vmsd.snapshots.iter().flat_map(|s| snapshot::living_clones(&vm, s)).collect();
    if !clones.is_empty() {
        return Err(VmError::HasClones(clones.join(" ")));
    }
    engine.forget(&vm)?;
    variables::forget(home, &vm);
    clone::forget(home, &vm)?;
    let dir = vm.dir();
    for file in own_files(&vm).iter().filter(|f| f.parent() == Some(dir)) {
        let _ = fs::remove_dir_all(beside(file, ".lck"));
        let removed = if file.is_dir() { fs::remove_dir_all(file) } else { fs::remove_file(file) };
        if let Err(source) = removed
            && source.kind() != std::io::ErrorKind::NotFound
        {
            return Err(Failure::File { path: file.clone(), doing: "not removed", source }.into());
        }
    }
    let _ = fs::remove_dir(dir);
    Ok(())
}

/// In the order in which they may go: what is found by way of another file before that one.
fn own_files(vm: &Vm) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = vm.serial_log().into_iter().collect();
    let (overlays, bases): (Vec<PathBuf>, Vec<PathBuf>) =
        snapshot::used(vm).into_iter().partition(|f| f.extension().is_some_and(|e| e == "qcow2"));
    for base in bases {
        files.extend(vmware::Vmdk::open(&base).ok().map(|d| d.extent));
        files.push(base);
    }
    files.extend(overlays);
    files.extend(snapshot::ours(vm));
    files.extend(of_snapshots(vm));
    files.extend(vm.suspended());
    files.extend(vm.vmx.get("nvram").map(|name| vm.file(name)));
    files.push(vm.file("vmware.log"));
    files.push(vm.path.with_extension("vmsd"));
    files.push(vm.path.clone());
    files
}

/// `STEM-SnapshotN.*`, `STEM-*.vmss`, and what a killed call did not come to rename.
fn of_snapshots(vm: &Vm) -> Vec<PathBuf> {
    let stem = vm.stem();
    let is_ours = |path: &Path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let rest = name.strip_prefix(&stem).and_then(|r| r.strip_prefix('-'));
        let half = name.starts_with(&format!(".{stem}")) && name.ends_with(".tmp");
        half || rest
            .is_some_and(|r| r.ends_with(".vmss") || r.strip_prefix("Snapshot").is_some_and(|r| r.contains('.')))
    };
    let entries = fs::read_dir(vm.dir()).into_iter().flatten().flatten().map(|e| e.path());
    entries.filter(|path| is_ours(path)).collect()
}
