//! What a machine's firmware does: the first medium of the boot order that can be booted.

use std::path::{Path, PathBuf};

use seed_iso::{Grub, Iso, MenuEntry};

use super::disk::{Loop, Mounted, Storage};
use super::nspawn::Bind;
use super::{initrd, volumes};
use crate::home::Home;
use crate::place::Place;
use crate::vm::{Device, Vm};
use crate::vm_error::VmError;
use crate::{Failure, files};

/// On an installer's volume: that it can run in a container.
const MARKER: &str = "/.disk/airlab-demo-installer";

/// Everything a node needs to start. Dropping it unmounts and detaches; fields go in this order.
#[derive(Debug)]
pub(super) struct Boot {
    pub(super) medium: Medium,
    pub(super) root: Mounted,
    pub(super) cmdline: String,
    pub(super) binds: Vec<Bind>,
    _loops: Vec<Loop>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Medium {
    Disk,
    Cdrom,
}

impl Medium {
    pub(super) fn word(self) -> &'static str {
        if self == Self::Disk { "disk" } else { "cdrom" }
    }
}

/// Finds what to boot and makes it ready.
pub(super) fn choose(vm: &Vm, storage: Option<&Storage>, home: &Home, place: &Place) -> Result<Boot, VmError> {
    let cds = open_cds(vm)?;
    for word in vm.boot_order() {
        let found = match (word.as_str(), storage) {
            ("hdd", Some(storage)) => from_disk(storage, &cds, home, place)?,
            ("cdrom", _) => from_cdrom(&cds, storage, home, place)?,
            _ => None,
        };
        if let Some(boot) = found {
            return Ok(boot);
        }
    }
    Err(VmError::NotStarted("Operating System not found: neither the disk nor a CD can be booted".into()))
}

fn open_cds(vm: &Vm) -> Result<Vec<(Device, Iso)>, VmError> {
    let open = |device: Device| {
        let iso = Iso::open(&device.file).map_err(Failure::host(format!("the medium of {}", device.name)))?;
        Ok((device, iso))
    };
    vm.cds().into_iter().map(open).collect()
}

fn seed(cds: &[(Device, Iso)], home: &Home) -> Result<Option<PathBuf>, Failure> {
    let seed = cds.iter().find(|(_, iso)| iso.volume_id().eq_ignore_ascii_case("cidata"));
    seed.map(|(device, _)| volumes::extracted(home, &device.file)).transpose()
}

/// An installed system on the first partition: with an init and with GRUB's menu, which installers write last.
fn from_disk(storage: &Storage, cds: &[(Device, Iso)], home: &Home, place: &Place) -> Result<Option<Boot>, VmError> {
    if !storage.has_partition()? {
        return Ok(None);
    }
    let partition = storage.partition()?;
    let Some(root) = Mounted::device(&partition, &place.dir().join("root"))? else { return Ok(None) };
    let menu = root.dir().join("boot/grub/grub.cfg");
    if !menu.is_file() || root.dir().join("sbin/init").symlink_metadata().is_err() {
        return Ok(None);
    }
    let entry = default_entry(&files::read(&menu)?);
    let cmdline = entry.map(|e| cmdline(&e)).unwrap_or_default();
    let mut binds = Vec::new();
    // A machine would find the CD by its label. What subiquity installed has its seed on the disk and looks for no other.
    if !root.dir().join("etc/cloud/cloud.cfg.d/99-installer.cfg").exists() {
        binds.extend(seed(cds, home)?.map(|dir| Bind::read_only(dir, "/var/lib/cloud/seed/nocloud")));
    }
    Ok(Some(Boot { medium: Medium::Disk, root, cmdline, binds, _loops: vec![partition] }))
}

/// The first CD with GRUB's menu on it: its installer, with the disk at /dev/sda and /dev/sda1.
fn from_cdrom(
    cds: &[(Device, Iso)],
    storage: Option<&Storage>,
    home: &Home,
    place: &Place,
) -> Result<Option<Boot>, VmError> {
    let Some((device, iso)) = cds.iter().find(|(_, iso)| iso.entry("/boot/grub/grub.cfg").is_some()) else {
        return Ok(None);
    };
    let fits = iso.read(MARKER).is_ok_and(|text| text.trim_ascii() == b"container");
    if !fits {
        return Err(VmError::NotStarted(format!(
            "the installer on {} needs a machine of its own and cannot run in a container: use QVMRUN_ENGINE=kvm or tcg",
            device.file.display()
        )));
    }
    let menu = iso.read("/boot/grub/grub.cfg").map_err(Failure::host("reading the boot menu"))?;
    let entry = default_entry(&String::from_utf8_lossy(&menu)).filter(|e| !e.initrd.is_empty());
    let entry = entry.ok_or_else(|| {
        VmError::NotStarted(format!("the boot menu on {} starts nothing by itself", device.file.display()))
    })?;
    let volume = volumes::extracted(home, &device.file)?;
    let root = Mounted::memory(&place.dir().join("root"))?;
    unpack(&volume, &entry.initrd, root.dir())?;
    let mut binds = vec![Bind::read_only(&volume, "/cdrom")];
    binds.extend(seed(cds, home)?.map(|dir| Bind::read_only(dir, "/cidata")));
    let mut loops = Vec::new();
    if let Some(storage) = storage {
        for (device, to) in [(storage.whole()?, "/dev/sda"), (storage.partition()?, "/dev/sda1")] {
            binds.push(Bind::writable(device.device(), to));
            loops.push(device);
        }
    }
    Ok(Some(Boot { medium: Medium::Cdrom, root, cmdline: cmdline(&entry), binds, _loops: loops }))
}

fn unpack(volume: &Path, initrd: &str, root: &Path) -> Result<(), Failure> {
    let file = volume.join(initrd.trim_start_matches('/'));
    initrd::unpack(&file, root).map_err(Failure::host(format!("unpacking {initrd}")))?;
    files::dir(&root.join("usr")) // systemd-nspawn takes a tree without one for a mistake
}

fn default_entry(menu: &str) -> Option<MenuEntry> {
    let grub = Grub::parse(menu);
    grub.default_entry().or_else(|| grub.entries().into_iter().next())
}

/// What GRUB would hand to the kernel.
fn cmdline(entry: &MenuEntry) -> String {
    let mut words = vec![format!("BOOT_IMAGE={}", entry.kernel)];
    words.extend(entry.args.iter().cloned());
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_entry_becomes_the_command_line() {
        let menu = "set default=\"${next_entry}\"\nmenuentry 'x' {\n linux /boot/vmlinuz root=LABEL=root ro quiet\n}\n";
        let entry = default_entry(menu).unwrap();
        assert_eq!(cmdline(&entry), "BOOT_IMAGE=/boot/vmlinuz root=LABEL=root ro quiet");
    }
}
