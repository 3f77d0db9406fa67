//! The .vmx of a node.

use std::path::PathBuf;

use crate::Vmx;

/// Which firmware the machine starts with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Firmware {
    /// PC BIOS.
    Bios,
    /// UEFI, without Secure Boot.
    Efi,
}

/// What the disk hangs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DiskBus {
    /// `nvme0:0`, `/dev/nvme0n1` in the guest.
    Nvme,
    /// `sata0:0`, `/dev/sda` in the guest.
    Sata,
    /// `scsi0:0` on a pvscsi controller, `/dev/sda` in the guest.
    Pvscsi,
}

impl DiskBus {
    /// The disk's device name in the .vmx, such as `nvme0:0`.
    pub fn device(self) -> &'static str {
        match self {
            Self::Nvme => "nvme0:0",
            Self::Sata => "sata0:0",
            Self::Pvscsi => "scsi0:0",
        }
    }
}

/// What a node's machine is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeSpec {
    /// Name of the machine.
    pub name: String,
    /// Memory in MiB; rounded down to a multiple of four, as VMware wants it.
    pub memory_mib: u32,
    /// Virtual processors, all in one socket.
    pub cpus: u32,
    /// MAC address, in VMware's range for static ones: `00:50:56:00:00:00` to `00:50:56:3f:ff:ff`.
    pub mac: String,
    /// The disk's file, relative to the .vmx.
    pub disk_file: String,
    /// The installer ISO in the first CD drive (`sata0:1`), while there is one.
    pub installer: Option<PathBuf>,
    /// The CIDATA ISO in the second CD drive (`sata0:2`), while there is one.
    pub cidata: Option<PathBuf>,
    /// The virtual network, such as `VMnet1`.
    pub vnet: String,
    /// The firmware.
    pub firmware: Firmware,
    /// What the disk hangs on.
    pub disk_bus: DiskBus,
    /// Virtual hardware version: 19 for Workstation 16.2, 20 for 17.0, 21 for 17.5.
    pub hw_version: u32,
    /// The file that takes what the guest writes to its first serial port, relative to the .vmx.
    pub serial_log: String,
}

/// The CD drives of a node: the installer ISO's, the CIDATA ISO's.
pub const CD_DRIVES: [&str; 2] = ["sata0:1", "sata0:2"];

/// Switched off because the guest takes its time from the registry: VMware's own steps would disturb it (KB 1189).
const TIME_OFF: [&str; 8] = [
    "tools.syncTime",
    "time.synchronize.continue",
    "time.synchronize.restore",
    "time.synchronize.resume.disk",
    "time.synchronize.resume.host",
    "time.synchronize.shrink",
    "time.synchronize.tools.startup",
    "time.synchronize.tools.enable",
];

impl Vmx {
    /// The configuration of a node. An empty disk falls through to the installer ISO, an installed one wins.
    ///
    /// `vhv.enable` is left out on purpose: with the Windows hypervisor on, power-on would fail.
    pub fn for_node(spec: &NodeSpec) -> Self {
        let mut vmx = Self::default();
        let mut put = |key: &str, value: &str| vmx.set(key, value);
        put(".encoding", "UTF-8");
        put("config.version", "8");
        put("virtualHW.version", &spec.hw_version.to_string());
        put("virtualHW.productCompatibility", "hosted");
        put("guestOS", "ubuntu-64");
        put("displayName", &spec.name);
        put("annotation", &format!("{}, made by airlab", spec.name));
        put("memsize", &(spec.memory_mib / 4 * 4).to_string());
        put("numvcpus", &spec.cpus.to_string());
        put("cpuid.coresPerSocket", &spec.cpus.to_string());
        put("firmware", if spec.firmware == Firmware::Efi { "efi" } else { "bios" });
        if spec.firmware == Firmware::Efi {
            put("uefi.secureBoot.enabled", "FALSE");
        }
        put("nvram", &format!("{}.nvram", spec.name));
        bridges(&mut put);
        disk(spec, &mut put);
        put("sata0.present", "TRUE");
        for (drive, iso) in CD_DRIVES.into_iter().zip([&spec.installer, &spec.cidata]) {
            if let Some(iso) = iso {
                put(&format!("{drive}.present"), "TRUE");
                put(&format!("{drive}.deviceType"), "cdrom-image");
                put(&format!("{drive}.fileName"), &iso.to_string_lossy());
                put(&format!("{drive}.startConnected"), "TRUE");
            }
        }
        put("bios.bootOrder", "hdd,cdrom");
        put("bios.hddOrder", spec.disk_bus.device());
        network(spec, &mut put);
        put("serial0.present", "TRUE");
        put("serial0.fileType", "file");
        put("serial0.fileName", &spec.serial_log);
        for key in TIME_OFF {
            put(key, "FALSE");
        }
        desktop(&mut put);
        vmx
    }

    /// Takes the installer and CIDATA ISOs out of their drives: both devices disappear. Says whether anything changed.
    pub fn detach_isos(&mut self) -> bool {
        let before = self.clone();
        for drive in CD_DRIVES {
            for key in ["present", "deviceType", "fileName", "startConnected"] {
                self.remove(&format!("{drive}.{key}"));
            }
        }
        *self != before
    }
}

/// NVMe, SATA and vmxnet3 sit on PCI Express root ports; without them they find no slot.
fn bridges(put: &mut impl FnMut(&str, &str)) {
    put("pciBridge0.present", "TRUE");
    put("pciBridge0.pciSlotNumber", "17");
    for (bridge, slot) in [(4, 21), (5, 22), (6, 23), (7, 24)] {
        put(&format!("pciBridge{bridge}.present"), "TRUE");
        put(&format!("pciBridge{bridge}.virtualDev"), "pcieRootPort");
        put(&format!("pciBridge{bridge}.functions"), "8");
        put(&format!("pciBridge{bridge}.pciSlotNumber"), &slot.to_string());
    }
    put("vmci0.present", "TRUE");
    put("hpet0.present", "TRUE");
}

fn disk(spec: &NodeSpec, put: &mut impl FnMut(&str, &str)) {
    let device = spec.disk_bus.device();
    match spec.disk_bus {
        DiskBus::Nvme => put("nvme0.present", "TRUE"),
        DiskBus::Sata => {}
        DiskBus::Pvscsi => {
            put("scsi0.present", "TRUE");
            put("scsi0.virtualDev", "pvscsi");
        }
    }
    put(&format!("{device}.present"), "TRUE");
    put(&format!("{device}.fileName"), &spec.disk_file);
    put("disk.EnableUUID", "TRUE");
}

fn network(spec: &NodeSpec, put: &mut impl FnMut(&str, &str)) {
    put("ethernet0.present", "TRUE");
    put("ethernet0.connectionType", "custom");
    put("ethernet0.vnet", &spec.vnet);
    put("ethernet0.virtualDev", "vmxnet3");
    put("ethernet0.addressType", "static");
    put("ethernet0.address", &spec.mac);
    put("ethernet0.pciSlotNumber", "192");
    put("ethernet0.wakeOnPcktRcv", "FALSE");
    put("ethernet0.linkStatePropagation.enable", "FALSE");
}

/// No dialogs, no sharing with the desktop, nothing a server does not need.
fn desktop(put: &mut impl FnMut(&str, &str)) {
    put("uuid.action", "create");
    put("msg.autoAnswer", "TRUE");
    put("gui.exitAtPowerOff", "TRUE");
    put("gui.exitOnCLIHLT", "TRUE");
    for action in ["powerOff", "powerOn", "reset", "suspend"] {
        put(&format!("powerType.{action}"), "soft");
    }
    for share in ["copy", "paste", "dnd", "hgfs"] {
        put(&format!("isolation.tools.{share}.disable"), "TRUE");
    }
    put("RemoteDisplay.vnc.enabled", "FALSE");
    put("mks.enable3d", "FALSE");
    for device in ["sound", "usb", "floppy0"] {
        put(&format!("{device}.present"), "FALSE");
    }
    put("mainMem.useNamedFile", "FALSE");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn master() -> NodeSpec {
        NodeSpec {
            name: "master".into(),
            memory_mib: 4097,
            cpus: 2,
            mac: "00:50:56:06:00:0a".into(),
            disk_file: "master.vmdk".into(),
            installer: Some("../installer.iso".into()),
            cidata: Some("cidata.iso".into()),
            vnet: "VMnet1".into(),
            firmware: Firmware::Efi,
            disk_bus: DiskBus::Nvme,
            hw_version: 20,
            serial_log: "serial0.log".into(),
        }
    }

    #[test]
    fn every_key_of_a_node() {
        insta::assert_snapshot!(Vmx::for_node(&master()).render());
    }

    #[test]
    fn the_other_disks_differ_only_where_they_must() {
        let all = |bus| {
            let spec = NodeSpec { firmware: Firmware::Bios, disk_bus: bus, ..master() };
            let vmx = Vmx::for_node(&spec);
            let of = |k: &str| k.starts_with("scsi") || k.starts_with("sata0:0") || k.contains("hddOrder");
            vmx.entries().filter(|(k, _)| of(k)).map(|(k, v)| format!("{k} = {v}\n")).collect::<String>()
        };
        insta::assert_snapshot!(format!("{}---\n{}", all(DiskBus::Sata), all(DiskBus::Pvscsi)));
    }

    #[test]
    fn detached_isos_leave_the_rest_alone() {
        let mut vmx = Vmx::for_node(&master());
        assert!(vmx.detach_isos());
        assert!(!vmx.detach_isos());
        let bare = Vmx::for_node(&NodeSpec { installer: None, cidata: None, ..master() });
        assert_eq!(vmx, bare);
    }
}
