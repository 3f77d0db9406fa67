//! From the ISO to the booted disk, by the serial log and from inside.

use super::MINUTE;
use super::node::Machine;
use crate::cluster::vmx;
use crate::proof::{Proof, ensure, fail};
use crate::report::Report;

pub(crate) fn checks(report: &mut Report, machine: &Machine<'_>) {
    let mut each = |name: &str, check: fn(&Machine<'_>) -> Proof| {
        report.check(&format!("boot/{}/{name}", machine.firmware), 3 * MINUTE, machine.world, || check(machine));
    };
    each("serial-log-from-the-iso-to-the-disk", serial_log);
    each("iso-is-detached", iso_gone);
    each("systemd-is-content", |machine| machine.settled());
    each("kernel-disk-and-drivers-from-inside", inside);
    each("tools-answer", tools);
}

fn serial_log(machine: &Machine<'_>) -> Proof {
    let lines = machine.console.in_order(&[
        // GRUB puts BOOT_IMAGE before the arguments of its own entry
        "BOOT_IMAGE=/casper/vmlinuz autoinstall ds=nocloud",
        "installer: medium:",
        "installer: seed: /cidata/user-data",
        "installer: root tree unpacked",
        "installer: installed",
        "installer: now reboot",
        "Booting `airlab demo node'",
        "Command line: BOOT_IMAGE=/boot/vmlinuz root=",
        "master login:",
    ])?;
    Ok(lines.join(" | "))
}

fn iso_gone(machine: &Machine<'_>) -> Proof {
    let vmx = vmx(machine.world, machine.name)?;
    for drive in ["sata0:1", "sata0:2"] {
        ensure!(!vmx.is_true(&format!("{drive}.startConnected")), "{drive} still has its medium");
    }
    let seen = machine.root("for d in /dev/sr*; do [ -b $d ] && blockdev --getsize64 $d 2>&1; done; true")?;
    ensure!(seen.lines().all(|l| l.contains("No medium")), "the node still sees a medium: {seen}");
    let order = vmx.get("bios.bootOrder").unwrap_or("").to_owned();
    ensure!(order.starts_with("hdd"), "boot order {order:?}");
    Ok(format!("{} empty CD drives, boot order {order}", seen.lines().count()))
}

/// One line each: kernel, command line, disks, EFI or not, driver of the adapter and of the disk.
const LOOK: &str = "uname -r; cat /proc/cmdline; lsblk -rno NAME,SIZE,TYPE,MOUNTPOINT | tr '\\n' ','; echo; \
    [ -d /sys/firmware/efi ] && echo efi || echo bios; \
    basename $(readlink /sys/class/net/e*/device/driver); \
    d=$(findmnt -nro SOURCE /); d=$(lsblk -nro PKNAME $d); \
    for p in /sys/block/$d/device /sys/block/$d/device/nvme[0-9]*; do p=$(readlink -f $p); \
    while [ \"$p\" != / ]; do [ -e $p/driver ] && basename $(readlink $p/driver); p=$(dirname $p); done; done | tr '\\n' ' '; echo; \
    cat /sys/class/dmi/id/product_name";

fn inside(machine: &Machine<'_>) -> Proof {
    let said = machine.root(LOOK)?;
    let lines: Vec<&str> = said.lines().map(str::trim).collect();
    let [kernel, line, disks, firmware, adapter, disk, product] = lines.as_slice() else { fail!("{said}") };
    let host = machine.world.ok(machine.world.bare("uname").arg("-r"))?.text();
    ensure!(*kernel != host, "the kernel {kernel} is the host's");
    ensure!(line.starts_with("BOOT_IMAGE=/boot/vmlinuz root="), "command line {line}");
    ensure!(*firmware == machine.firmware, "booted by {firmware}");
    ensure!(*adapter == "vmxnet3", "the adapter's driver is {adapter}");
    let wanted = if machine.firmware == "efi" { "nvme" } else { "ahci" };
    ensure!(disk.split(' ').any(|d| d == wanted), "the disk's drivers are {disk}, {wanted} wanted");
    ensure!(disks.split(',').any(|d| d.ends_with(" part /")), "disks: {disks}");
    Ok(format!("kernel {kernel} by {firmware}; {line}; {adapter}; {disk}; {disks} {product}"))
}

fn tools(machine: &Machine<'_>) -> Proof {
    machine.world.until("the tools to run", || {
        let said = machine.vmrun(&["checkToolsState", "VMX"])?;
        ensure!(said == "running", "{said}");
        Ok(said)
    })
}
