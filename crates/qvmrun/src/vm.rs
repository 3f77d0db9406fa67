//! A virtual machine as its .vmx describes it.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use vmware::Vmx;

use crate::vm_error::VmError;

/// The key that names the file with the memory of a suspended machine.
pub(crate) const MEMORY: &str = "checkpoint.vmState";

/// A machine: its .vmx, read just now.
#[derive(Debug, Clone)]
pub(crate) struct Vm {
    /// Absolute, canonical path of the .vmx.
    pub(crate) path: PathBuf,
    pub(crate) vmx: Vmx,
    /// Eight hexadecimal digits that stand for the path in names of groups and interfaces.
    pub(crate) id: String,
}

/// A disk or CD drive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Device {
    /// `sata0:1`.
    pub(crate) name: String,
    pub(crate) cdrom: bool,
    /// Absolute path of the medium.
    pub(crate) file: PathBuf,
    pub(crate) connected: bool,
}

impl Vm {
    /// Reads a .vmx, with vmrun's own errors.
    pub(crate) fn open(given: &str) -> Result<Self, VmError> {
        if !given.to_ascii_lowercase().ends_with(".vmx") {
            return Err(VmError::Suffix(given.into()));
        }
        let not_found = |_| VmError::NotFound(given.into());
        let path = fs::canonicalize(given).map_err(not_found)?;
        let bytes = fs::read(&path).map_err(not_found)?;
        let bad = || VmError::BadConfig(given.into());
        let vmx = Vmx::parse(&String::from_utf8_lossy(&bytes)).map_err(|_| bad())?;
        if vmx.get("config.version").is_none() || vmx.get("virtualHW.version").is_none() {
            return Err(bad());
        }
        let id = id_of(&path);
        Ok(Self { path, vmx, id })
    }

    /// The .vmx's path as text.
    pub(crate) fn shown(&self) -> String {
        self.path.display().to_string()
    }

    /// The folder of the .vmx.
    pub(crate) fn dir(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new("/"))
    }

    /// The name of the .vmx without its suffix: what the machine's other files begin with.
    pub(crate) fn stem(&self) -> String {
        self.path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// A file beside the .vmx.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.dir().join(name)
    }

    /// The file with the memory of a suspended machine.
    pub(crate) fn suspended(&self) -> Option<PathBuf> {
        self.vmx.get(MEMORY).filter(|name| !name.is_empty()).map(|name| self.file(name))
    }

    /// The disks.
    pub(crate) fn disks(&self) -> Vec<Device> {
        self.devices().into_iter().filter(|d| !d.cdrom).collect()
    }

    /// A name that is also a valid host name.
    pub(crate) fn name(&self) -> String {
        let stem = self.stem();
        let given = self.vmx.get("displayName").unwrap_or(&stem).to_owned();
        let name: String = given
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' })
            .take(60)
            .collect();
        let name = name.trim_matches('-').to_owned();
        if name.is_empty() { format!("vm-{}", self.id) } else { name }
    }

    /// A number of the .vmx, or this default.
    pub(crate) fn number(&self, key: &str, default: u32) -> u32 {
        self.vmx.get(key).and_then(|v| v.trim().parse().ok()).unwrap_or(default)
    }

    pub(crate) fn memory_mib(&self) -> u32 {
        self.number("memsize", 256)
    }

    pub(crate) fn cpus(&self) -> u32 {
        self.number("numvcpus", 1).max(1)
    }

    /// The MAC address of the first network adapter, if it has one.
    pub(crate) fn mac(&self) -> Option<String> {
        if !self.vmx.is_true("ethernet0.present") {
            return None;
        }
        self.vmx.get("ethernet0.address").or_else(|| self.vmx.get("ethernet0.generatedAddress")).map(str::to_owned)
    }

    pub(crate) fn nic_connected(&self) -> bool {
        !self.vmx.get("ethernet0.startConnected").is_some_and(|v| v.eq_ignore_ascii_case("false"))
    }

    /// Disks and CD drives that are present and have a medium, in the order of their names.
    pub(crate) fn devices(&self) -> Vec<Device> {
        let mut found: Vec<(String, u32, u32, Device)> = Vec::new();
        for (key, value) in self.vmx.entries() {
            let Some((name, "present")) =
                key.rsplit_once('.').map(|(n, k)| (n, k.to_ascii_lowercase())).as_ref().map(|(n, k)| (*n, k.as_str()))
            else {
                continue;
            };
            let Some((bus, number, unit)) = slot(name) else { continue };
            let Some(file) = self.vmx.get(&format!("{name}.fileName")).filter(|_| value.eq_ignore_ascii_case("true"))
            else {
                continue;
            };
            let kind = self.vmx.get(&format!("{name}.deviceType")).unwrap_or("disk").to_ascii_lowercase();
            if kind == "cdrom-raw" || kind == "atapi-cdrom" {
                continue;
            }
            let connected =
                !self.vmx.get(&format!("{name}.startConnected")).is_some_and(|v| v.eq_ignore_ascii_case("false"));
            let cdrom = kind.starts_with("cdrom");
            found.push((
                bus,
                number,
                unit,
                Device { name: name.into(), cdrom, file: self.dir().join(file), connected },
            ));
        }
        found.sort_by(|a, b| (&a.0, a.1, a.2).cmp(&(&b.0, b.1, b.2)));
        found.into_iter().map(|(_, _, _, device)| device).collect()
    }

    /// The first disk.
    pub(crate) fn disk(&self) -> Option<Device> {
        self.devices().into_iter().find(|d| !d.cdrom)
    }

    /// CD drives with a connected medium.
    pub(crate) fn cds(&self) -> Vec<Device> {
        self.devices().into_iter().filter(|d| d.cdrom && d.connected).collect()
    }

    /// What to boot from, in order: `hdd`, `cdrom`.
    pub(crate) fn boot_order(&self) -> Vec<String> {
        let words = self.vmx.get("bios.bootOrder").unwrap_or("hdd,cdrom");
        words.split(',').map(|w| w.trim().to_ascii_lowercase()).filter(|w| w == "hdd" || w == "cdrom").collect()
    }

    /// Where the first serial port writes to.
    pub(crate) fn serial_log(&self) -> Option<PathBuf> {
        let file = self.vmx.is_true("serial0.present")
            && self.vmx.get("serial0.fileType").is_none_or(|t| t.eq_ignore_ascii_case("file"));
        self.vmx.get("serial0.fileName").filter(|_| file).map(|name| self.dir().join(name))
    }

    /// The folder that marks the .vmx as in use.
    pub(crate) fn lock_dir(&self) -> PathBuf {
        beside(&self.path, ".lck")
    }

    /// Writes the .vmx back.
    pub(crate) fn save(&self) -> Result<(), VmError> {
        let mode = 0o644;
        machine::write_file(&self.path, self.vmx.render().as_bytes(), mode)
            .map_err(crate::Failure::host("writing the .vmx"))?;
        Ok(())
    }

    /// Fills in what VMware itself writes at power-on.
    pub(crate) fn fill_in(&mut self) {
        let spaced: Vec<&str> = self.id.as_bytes().chunks(2).map(|c| std::str::from_utf8(c).unwrap_or("00")).collect();
        let uuid = format!("56 4d 71 76 6d 72 75 6e-00 00 00 00 {}", spaced.join(" "));
        for key in ["uuid.bios", "uuid.location"] {
            if self.vmx.get(key).is_none() {
                self.vmx.set(key, &uuid);
            }
        }
        if self.vmx.is_true("ethernet0.present") && self.vmx.get("ethernet0.address").is_none() {
            let mac = format!("00:0c:29:{}", spaced[1..].join(":"));
            self.vmx.set("ethernet0.generatedAddress", &mac);
            self.vmx.set("ethernet0.generatedAddressOffset", "0");
        }
        self.vmx.set("cleanShutdown", "FALSE");
    }
}

/// `path` with something appended to its last component.
pub(crate) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(suffix);
    path.with_file_name(name)
}

/// FNV-1a, folded: short, stable, not secret.
pub(crate) fn id_of(path: &Path) -> String {
    let text = path.to_string_lossy();
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3));
    let mut id = String::new();
    let _ = write!(id, "{:08x}", (hash >> 32) ^ (hash & 0xffff_ffff));
    id
}

/// `sata0:1` within VMware's address ranges; what is outside them is ignored, as VMware does.
fn slot(name: &str) -> Option<(String, u32, u32)> {
    let lower = name.to_ascii_lowercase();
    let (bus, most) =
        [("ide", 1), ("nvme", 63), ("sata", 29), ("scsi", 15)].into_iter().find(|(b, _)| lower.starts_with(b))?;
    let (number, unit) = lower[bus.len()..].split_once(':')?;
    let (number, unit) = (number.parse().ok()?, unit.parse().ok()?);
    (number <= 3 && unit <= most).then(|| (bus.to_owned(), number, unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"config.version = "8"
virtualHW.version = "19"
displayName = "Master 1"
memsize = "2048"
numvcpus = "2"
sata0.present = "TRUE"
sata0:2.present = "TRUE"
sata0:2.deviceType = "cdrom-image"
sata0:2.fileName = "seed.iso"
sata0:1.present = "TRUE"
sata0:1.deviceType = "cdrom-image"
sata0:1.fileName = "/isos/installer.iso"
sata0:1.startConnected = "FALSE"
nvme0:0.present = "TRUE"
nvme0:0.fileName = "master.vmdk"
sata0:77.present = "TRUE"
sata0:77.fileName = "ignored.vmdk"
ethernet0.present = "TRUE"
"#;

    fn vm(dir: &Path) -> Vm {
        let path = dir.join("m.vmx");
        fs::write(&path, TEXT).unwrap();
        Vm::open(path.to_str().unwrap()).unwrap()
    }

    #[test]
    fn devices_are_found_in_order() {
        let dir = tempfile::tempdir().unwrap();
        let vm = vm(dir.path());
        let names: Vec<String> = vm.devices().into_iter().map(|d| d.name).collect();
        assert_eq!(names, ["nvme0:0", "sata0:1", "sata0:2"]);
        assert_eq!(vm.cds().len(), 1);
        assert_eq!(vm.disk().unwrap().file, vm.dir().join("master.vmdk"));
        assert_eq!((vm.memory_mib(), vm.cpus(), vm.name().as_str()), (2048, 2, "master-1"));
        assert_eq!(vm.boot_order(), ["hdd", "cdrom"]);
    }

    #[test]
    fn power_on_fills_in_what_vmware_writes_and_only_once() {
        let dir = tempfile::tempdir().unwrap();
        let mut vm = vm(dir.path());
        assert_eq!(vm.mac(), None);
        vm.fill_in();
        let once = vm.vmx.render();
        assert!(vm.mac().unwrap().starts_with("00:0c:29:"), "{once}");
        assert!(once.contains("cleanShutdown = \"FALSE\"") && once.contains("uuid.bios = \"56 4d"), "{once}");
        vm.fill_in();
        assert_eq!(vm.vmx.render(), once);
    }

    #[test]
    fn unreadable_files_get_vmruns_words() {
        let dir = tempfile::tempdir().unwrap();
        let text = |path: &Path| Vm::open(path.to_str().unwrap()).unwrap_err().to_string();
        let missing = dir.path().join("no.vmx");
        assert!(text(&missing).ends_with("no.vmx, The virtual machine cannot be found"));
        assert!(text(&dir.path().join("no.iso")).ends_with(", unknown file suffix"));
        let bad = dir.path().join("bad.vmx");
        fs::write(&bad, "config.version = \"8\"\n").unwrap();
        assert!(text(&bad).ends_with(", Cannot read the virtual machine configuration file"));
    }
}
