//! Disks and CD drives: their controllers, and which of them is booted first.

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::argv::{Args, Firmware, Host};
use crate::vm::{Device, Vm};
use crate::vm_error::VmError;

/// Ports of one AHCI controller in QEMU; VMware's has 30.
const PORTS: u32 = 6;

/// All drives of a machine.
#[derive(Debug)]
pub(super) struct Buses {
    drives: Vec<Drive>,
}

#[derive(Debug)]
struct Drive {
    id: String,
    /// The controller as a device, if QEMU's machine does not have it already.
    controller: Option<String>,
    /// The drive as a device, without its medium.
    device: String,
    boot: Option<usize>,
    medium: Option<(PathBuf, &'static str)>,
    cdrom: bool,
    ide: bool,
}

/// QEMU's name of a device, and of the node with its medium at power-on: without the colon.
pub(super) fn id(device: &str) -> String {
    device.to_ascii_lowercase().replace(':', "-")
}

impl Buses {
    pub(super) fn of(vm: &Vm, host: &Host<'_>) -> Result<Self, VmError> {
        let devices = vm.devices();
        let order = boot_order(vm, &devices);
        let mut drives = Vec::new();
        for device in &devices {
            let id = id(&device.name);
            let boot = order.iter().position(|name| *name == device.name);
            let (controller, hardware) = hardware(vm, device, &id, host)?;
            let medium = match (device.cdrom, device.connected) {
                (true, false) => None,
                (true, true) => Some((device.file.clone(), "raw")),
                (false, _) => Some((device.file.clone(), (host.format)(&device.file)?.word())),
            };
            let ide = device.name.to_ascii_lowercase().starts_with("ide");
            drives.push(Drive { id, controller, device: hardware, boot, medium, cdrom: device.cdrom, ide });
        }
        Ok(Self { drives })
    }

    /// A Q35, as VMware's machines are PCI Express ones. Only the old one has an IDE controller.
    pub(super) fn machine(&self) -> &'static str {
        if self.drives.iter().any(|d| d.ide) { "pc" } else { "q35,sata=off" }
    }

    pub(super) fn add(&self, args: &mut Args) {
        let mut made = BTreeSet::new();
        for drive in &self.drives {
            if let Some(controller) = drive.controller.as_ref().filter(|c| made.insert(c.as_str())) {
                args.add("-device", controller);
            }
            let mut device = format!("{},id={}", drive.device, drive.id);
            if let Some((file, format)) = &drive.medium {
                let node = format!("{}-0", drive.id);
                args.block(&node, format, file, drive.cdrom);
                device.push_str(&format!(",drive={node}"));
            }
            if let Some(boot) = drive.boot {
                device.push_str(&format!(",bootindex={}", boot + 1));
            }
            args.add("-device", device);
        }
    }
}

/// Controller and drive.
fn hardware(vm: &Vm, device: &Device, id: &str, host: &Host<'_>) -> Result<(Option<String>, String), VmError> {
    let refused = |what: String| Err(VmError::NotStarted(what));
    let lower = device.name.to_ascii_lowercase();
    let digits = lower.trim_start_matches(|c: char| c.is_ascii_alphabetic());
    let numbers = digits.split_once(':').and_then(|(n, u)| Some((n.parse::<u32>().ok()?, u.parse::<u32>().ok()?)));
    let Some((number, unit)) = numbers else { return refused(format!("{} is no drive", device.name)) };
    let kind = if device.cdrom { "cd" } else { "hd" };
    match lower.trim_end_matches(|c: char| !c.is_ascii_alphabetic()) {
        "ide" => Ok((None, format!("ide-{kind},bus=ide.{number},unit={unit}"))),
        "sata" => {
            let name = match unit / PORTS {
                0 => format!("sata{number}"),
                more => format!("sata{number}x{more}"),
            };
            Ok((Some(format!("ich9-ahci,id={name}")), format!("ide-{kind},bus={name}.{}", unit % PORTS)))
        }
        "nvme" if device.cdrom => refused(format!("{} cannot be a CD drive", device.name)),
        "nvme" => Ok((None, format!("nvme,serial={}-{id}", vm.id))),
        _ if host.firmware != Firmware::Bios => {
            refused(format!("{}: the EFI firmware here cannot boot from SCSI; use sata or nvme", device.name))
        }
        _ => {
            let model = match vm.vmx.get(&format!("scsi{number}.virtualDev")).unwrap_or("lsilogic") {
                "pvscsi" => "pvscsi",
                "lsilogic" => "lsi53c895a",
                "lsisas1068" => "mptsas1068",
                other => return refused(format!("scsi{number}.virtualDev = \"{other}\" is not there")),
            };
            let bus = format!("scsi-{kind},bus=scsi{number}.0,scsi-id={unit}");
            Ok((Some(format!("{model},id=scsi{number}")), bus))
        }
    }
}

/// Names of the drives in the order in which they are tried. What the .vmx does not name comes last.
fn boot_order(vm: &Vm, devices: &[Device]) -> Vec<String> {
    let first = vm.vmx.get("bios.hddOrder").unwrap_or_default();
    let rank =
        |d: &&Device| first.split(',').position(|w| w.trim().eq_ignore_ascii_case(&d.name)).unwrap_or(usize::MAX);
    let mut disks: Vec<&Device> = devices.iter().filter(|d| !d.cdrom).collect();
    disks.sort_by_key(rank);
    let mut order: Vec<String> = Vec::new();
    for word in vm.boot_order().iter().map(String::as_str).chain(["hdd", "cdrom"]) {
        let class: Vec<&Device> =
            if word == "hdd" { disks.clone() } else { devices.iter().filter(|d| d.cdrom).collect() };
        order.extend(class.iter().map(|d| d.name.clone()).filter(|n| !order.contains(n)).collect::<Vec<_>>());
    }
    order
}

#[cfg(test)]
mod tests {
    use super::super::argv::Cables;
    use super::super::argv::tests::{line, vm};
    use super::*;

    fn drives(extra: &str, firmware: Firmware) -> Result<String, VmError> {
        let text = line(extra, firmware, Cables::Taps)?;
        let wanted = |l: &&str| {
            ["-mach", "-device ide", "-device ich9", "-device scsi", "-device pvscsi", "-device nvme", "-blockdev"]
                .iter()
                .any(|w| l.starts_with(w))
        };
        Ok(text.lines().filter(wanted).collect::<Vec<_>>().join("\n"))
    }

    #[test]
    fn every_bus_has_its_controller() {
        let mut text = String::new();
        for (n, device) in ["ide0:0", "sata0:7", "scsi0:0", "nvme0:1"].into_iter().enumerate() {
            text.push_str(&format!("{device}.present = \"TRUE\"\n{device}.fileName = \"{n}.vmdk\"\n"));
        }
        text.push_str("scsi0.virtualDev = \"pvscsi\"\nide1:0.present = \"TRUE\"\nide1:0.fileName = \"i.iso\"\n");
        text.push_str("ide1:0.deviceType = \"cdrom-image\"\n");
        insta::assert_snapshot!(drives(&text, Firmware::Bios).unwrap());
    }

    #[test]
    fn disks_in_their_order_then_cds_unless_told_otherwise() {
        let mut text = String::from("sata0:1.present = \"TRUE\"\nsata0:1.fileName = \"i.iso\"\n");
        text.push_str("sata0:1.deviceType = \"cdrom-image\"\n");
        for device in ["sata0:0", "nvme0:0"] {
            text.push_str(&format!("{device}.present = \"TRUE\"\n{device}.fileName = \"d.vmdk\"\n"));
        }
        let order = |extra: &str| {
            let vm = vm(&format!("{text}{extra}"));
            boot_order(&vm, &vm.devices())
        };
        assert_eq!(order(""), ["nvme0:0", "sata0:0", "sata0:1"]);
        assert_eq!(order("bios.hddOrder = \"sata0:0\"\n"), ["sata0:0", "nvme0:0", "sata0:1"]);
        assert_eq!(order("bios.bootOrder = \"cdrom,hdd\"\n"), ["sata0:1", "nvme0:0", "sata0:0"]);
        assert_eq!(order("bios.bootOrder = \"cdrom\"\n"), ["sata0:1", "nvme0:0", "sata0:0"]);
    }

    #[test]
    fn efi_refuses_scsi() {
        let text = "scsi0:0.present = \"TRUE\"\nscsi0:0.fileName = \"d.vmdk\"\nscsi0.virtualDev = \"pvscsi\"\n";
        let efi = Firmware::Efi { code: "/c".into(), variables: "/v".into() };
        let error = drives(text, efi).unwrap_err().to_string();
        assert_eq!(error, "scsi0:0: the EFI firmware here cannot boot from SCSI; use sata or nvme");
    }
}
