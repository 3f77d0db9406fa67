//! A system and an installer of a few hundred kilobytes, both made of busybox.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use machine::{Cmd, Local};
use vmware::Vmx;

/// Process 1 of the installed system: takes its address from the seed, and systemd's signals.
const SYSTEM: &str = r#"#!/bin/sh
printf systemd > /proc/1/comm
trap 'poweroff -f' 38
trap 'reboot -f' 39
ip addr add "$(cat /address)/24" dev ens160
ip link set ens160 up
echo "system up: $(cat /proc/cmdline)"
echo "memory: $(grep MemTotal /proc/meminfo)"
echo "panic: $(cat /proc/sys/kernel/panic)"
date -s 2001-01-01 > /dev/null 2>&1
echo "year: $(date +%Y)"
mkdir /sys/fs/cgroup/memory/mine 2>/dev/null && echo "groups: writable"
echo 1 > /proc/sys/vm/swappiness 2>/dev/null && echo "sysctl: writable"
echo "end of report"
nc -ll -p 80 -e echo hello &
while true; do sleep 1; done
"#;

/// Process 1 of the installer: wants `autoinstall`, writes the disk, leaves GRUB's menu for the end.
const INSTALLER: &str = r#"#!/bin/sh
grep -qw autoinstall /proc/cmdline || { echo "installer: nothing to do"; exec sleep 1000; }
echo "installer: $(cat /proc/cmdline)"
dd if=/cdrom/system.img of=/dev/sda1 bs=1M 2>/dev/null
mkdir -p /target
mount -t ext4 /dev/sda1 /target
cat /cidata/user-data > /target/address
mkdir -p /target/boot/grub
cp /cdrom/disk.cfg /target/boot/grub/grub.cfg
umount /target
dd if=/cdrom/mbr of=/dev/sda bs=512 count=1 conv=notrunc 2>/dev/null
echo "installer: done"
reboot -f
"#;

const MENU: &str =
    "set timeout=1\nmenuentry \"Install\" {\n linux /casper/vmlinuz autoinstall ---\n initrd /casper/initrd\n}\n";
const DISK_MENU: &str = "menuentry 'tiny' {\n linux /boot/vmlinuz root=LABEL=tiny ro\n}\n";

fn sh(dir: &Path, script: &str) {
    Local.run_ok(&Cmd::new("sh").args(["-ec", script]).dir(dir)).unwrap();
}

fn write(path: &Path, text: &str, mode: u32) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn busybox(tree: &Path) {
    for name in ["bin", "sbin", "dev", "proc", "sys", "run", "tmp", "etc", "usr/bin", "usr/lib", "cdrom", "cidata"] {
        fs::create_dir_all(tree.join(name)).unwrap();
    }
    fs::copy("/bin/busybox", tree.join("bin/busybox")).unwrap();
    let tools = "sh mount umount cat grep sleep dd mkdir cp reboot poweroff ip date nc echo basename \
                 id ls mv rm mktemp dirname tr stat chmod ps env test";
    for name in tools.split(' ') {
        symlink("busybox", tree.join("bin").join(name)).unwrap();
    }
    write(&tree.join("usr/lib/os-release"), "ID=tiny\n", 0o644);
    write(&tree.join("etc/passwd"), "root:x:0:0:root:/root:/bin/sh\n", 0o644);
}

/// The installer's ISO; without the marker it claims to need a machine of its own.
pub fn installer(dir: &Path, marker: bool) -> PathBuf {
    let work = dir.join("installer");
    let (system, initrd, iso) = (work.join("system"), work.join("initrd"), work.join("iso"));
    busybox(&system);
    write(&system.join("sbin/init"), SYSTEM, 0o755);
    busybox(&initrd);
    write(&initrd.join("init"), INSTALLER, 0o755);
    write(&iso.join("boot/grub/grub.cfg"), MENU, 0o644);
    write(&iso.join("disk.cfg"), DISK_MENU, 0o644);
    write(&iso.join("casper/vmlinuz"), "none", 0o644);
    if marker {
        write(&iso.join(".disk/airlab-demo-installer"), "container\n", 0o644);
    }
    let mut mbr = [0_u8; 512];
    mbr[450] = 0x83;
    mbr[454..458].copy_from_slice(&2048_u32.to_le_bytes());
    mbr[458..462].copy_from_slice(&32768_u32.to_le_bytes());
    mbr[510..].copy_from_slice(&[0x55, 0xaa]);
    fs::write(iso.join("mbr"), mbr).unwrap();
    sh(&work, "truncate -s 16M iso/system.img; mkfs.ext4 -q -F -d system iso/system.img");
    sh(&work, "(cd initrd; find . | cpio --quiet -o -H newc | gzip -1) > iso/casper/initrd");
    let image = dir.join(if marker { "installer.iso" } else { "foreign.iso" });
    sh(&work, &format!("xorriso -as mkisofs -quiet -R -J -V tiny -o {} iso", image.display()));
    fs::remove_dir_all(&work).unwrap();
    image
}

/// A seed: all it says is the address.
pub fn seed(dir: &Path, name: &str, address: &str) -> PathBuf {
    let tree = dir.join(format!("{name}-seed"));
    write(&tree.join("user-data"), &format!("{address}\n"), 0o644);
    write(&tree.join("meta-data"), "", 0o644);
    let image = dir.join(format!("{name}-cidata.iso"));
    sh(dir, &format!("xorriso -as mkisofs -quiet -R -J -V CIDATA -o {} {}", image.display(), tree.display()));
    image
}

/// The configuration of a machine for the tiny system: a disk, the two CDs, a network adapter.
pub fn vmx(name: &str, disk: (&str, &str), installer: &Path, seed: &Path, mac: &str) -> Vmx {
    let mut vmx = Vmx::default();
    for (key, value) in [
        ("config.version", "8"),
        ("virtualHW.version", "19"),
        ("displayName", name),
        ("memsize", "192"),
        (&format!("{}.present", disk.0), "TRUE"),
        (&format!("{}.fileName", disk.0), disk.1),
        ("sata0:1.present", "TRUE"),
        ("sata0:1.deviceType", "cdrom-image"),
        ("sata0:1.fileName", installer.to_str().unwrap()),
        ("sata0:2.present", "TRUE"),
        ("sata0:2.deviceType", "cdrom-image"),
        ("sata0:2.fileName", seed.to_str().unwrap()),
        ("ethernet0.present", "TRUE"),
        ("ethernet0.address", mac),
    ] {
        vmx.set(key, value);
    }
    vmx
}

/// Why the lab tests cannot run here, if they cannot.
pub fn missing() -> Option<String> {
    if !rustix::process::geteuid().is_root() {
        return Some("not root".into());
    }
    let tools = ["busybox", "xorriso", "cpio", "mkfs.ext4", "systemd-nspawn", "lxcfs", "qemu-storage-daemon", "ip"];
    let there = |tool: &&str| {
        Local.run(&Cmd::new("sh").args(["-c", "command -v \"$0\""]).arg(*tool)).is_ok_and(|o| o.code == 0)
    };
    let missing: Vec<&str> = tools.into_iter().filter(|tool| !there(tool)).collect();
    if missing.is_empty() { None } else { Some(format!("not installed: {}", missing.join(" "))) }
}
