//! What VMware does to a machine's files.

use std::path::{Path, PathBuf};

use vmware::Vmx;

/// Keys that Workstation adds or rewrites at power on (packer's and vagrant's tests have such files; `.encoding` becomes
/// the host's page).
const ADDED: &[(&str, &str)] = &[
    (".encoding", "windows-949"),
    ("sata0.pciSlotNumber", "36"),
    ("nvme0.pciSlotNumber", "224"),
    ("vmci0.pciSlotNumber", "35"),
    ("vmci0.id", "-1431655766"),
    ("softPowerOff", "FALSE"),
    ("numa.autosize.cookie", "20012"),
    ("numa.autosize.vcpu.maxPerVirtualNode", "2"),
    ("monitor.phys_bits_used", "45"),
    ("vmotion.checkpointFBSize", "4194304"),
    ("toolsInstallManager.updateCounter", "1"),
    ("guestInfo.detailed.data", ""),
];

/// The .vmx gets the running machine's keys; every disk is locked (hashicorp/packer#1267: `X.lck/M#####.lck`).
pub(crate) fn powered_on(vmx: &Path) {
    change(vmx, |machine| ADDED.iter().for_each(|(key, value)| machine.set(key, value)));
    for disk in disks(vmx) {
        let lock = locked(&disk);
        let _ = std::fs::create_dir_all(&lock).and_then(|()| std::fs::write(lock.join("M38214.lck"), "here"));
    }
}

/// The locks go.
pub(crate) fn powered_off(vmx: &Path) {
    for disk in disks(vmx) {
        let _ = std::fs::remove_dir_all(locked(&disk));
    }
}

/// Connecting a device of a running machine does not touch its .vmx.
pub(crate) fn as_before(vmx: &Path, before: Option<Vmx>) {
    if let Some(before) = before {
        change(vmx, |machine| *machine = before);
    }
}

fn change(vmx: &Path, change: impl FnOnce(&mut Vmx)) {
    if let Ok(mut machine) = Vmx::load(vmx) {
        change(&mut machine);
        let _ = machine::write_file(vmx, machine.render().as_bytes(), 0o644);
    }
}

fn disks(vmx: &Path) -> Vec<PathBuf> {
    let Ok(machine) = Vmx::load(vmx) else { return Vec::new() };
    let files = machine.entries().filter(|(_, file)| file.ends_with(".vmdk"));
    files.map(|(_, file)| vmx.with_file_name(file)).collect()
}

fn locked(disk: &Path) -> PathBuf {
    disk.with_file_name(format!("{}.lck", disk.file_name().unwrap_or_default().to_string_lossy()))
}
