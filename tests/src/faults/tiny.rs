//! A machine of a few hundred kilobytes whose system is one shell script: what a vmrun command needs, and no more.

use std::fs;
use std::io::{Seek, SeekFrom, Write};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use machine::{Cmd, Local};
use vmware::{DiskFormat, Vmdk, Vmx};

use crate::proof::Fail;

/// Process 1: takes its address from its adapter's MAC, and the two signals by which a node is told to stop or restart.
const SYSTEM: &str = r#"#!/bin/sh
printf systemd > /proc/1/comm
trap 'poweroff -f' 38
trap 'reboot -f' 39
mac=$(cat /sys/class/net/ens160/address)
ip addr add "10.80.0.$(printf %d "0x${mac##*:}")/24" dev ens160
ip link set ens160 up
while true; do sleep 1; done
"#;
const MENU: &str = "menuentry 'tiny' {\n linux /boot/vmlinuz root=LABEL=tiny ro\n}\n";
const TOOLS: &[&str] = &["sh", "cat", "ip", "mount", "poweroff", "printf", "reboot", "sleep", "true"];
const SECTORS: u32 = 16 << 11;

/// The installed system as an image of its partition.
pub(super) fn system(dir: &Path) -> Result<PathBuf, Fail> {
    let tree = dir.join("system");
    let file = |name: &str, text: &str, mode: u32| -> Result<(), Fail> {
        let path = tree.join(name);
        fs::create_dir_all(path.parent().unwrap_or(&tree))?;
        fs::write(&path, text)?;
        Ok(fs::set_permissions(&path, fs::Permissions::from_mode(mode))?)
    };
    for name in ["bin", "dev", "proc", "sys", "run", "tmp", "usr/bin"] {
        fs::create_dir_all(tree.join(name))?;
    }
    fs::copy("/bin/busybox", tree.join("bin/busybox"))?;
    for tool in TOOLS {
        symlink("busybox", tree.join("bin").join(tool))?;
    }
    file("sbin/init", SYSTEM, 0o755)?;
    file("boot/grub/grub.cfg", MENU, 0o644)?;
    file("usr/lib/os-release", "ID=tiny\n", 0o644)?;
    file("etc/passwd", "root:x:0:0:root:/root:/bin/sh\n", 0o644)?;
    let image = dir.join("system.img");
    fs::File::create(&image)?.set_len(u64::from(SECTORS) * 512)?;
    Local.run_ok(&Cmd::new("mkfs.ext4").args(["-q", "-F", "-d"]).arg(&tree).arg(&image))?;
    Ok(image)
}

/// A machine of that system in a folder of its own; `number` ends its MAC and its address.
pub(super) fn machine(folder: &Path, system: &Path, number: u8) -> Result<PathBuf, Fail> {
    fs::create_dir_all(folder)?;
    let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let disk = folder.join(format!("{name}.vmdk"));
    Vmdk::new((2048 + u64::from(SECTORS)) * 512, DiskFormat::Flat).create(&disk)?;
    let mut table = [0_u8; 512];
    table[450] = 0x83;
    table[454..458].copy_from_slice(&2048_u32.to_le_bytes());
    table[458..462].copy_from_slice(&SECTORS.to_le_bytes());
    table[510..].copy_from_slice(&[0x55, 0xaa]);
    let mut raw = fs::File::options().write(true).open(Vmdk::open(&disk)?.extent)?;
    raw.write_all(&table)?;
    raw.seek(SeekFrom::Start(2048 * 512))?;
    raw.write_all(&fs::read(system)?)?;
    let medium = folder.join("medium.iso");
    fs::write(&medium, [0; 2048])?;
    let mut vmx = Vmx::default();
    let mac = format!("00:50:56:00:80:{number:02x}");
    for (key, value) in [
        ("config.version", "8"),
        ("virtualHW.version", "19"),
        ("displayName", name.as_str()),
        ("memsize", "128"),
        ("numvcpus", "1"),
        ("nvme0:0.present", "TRUE"),
        ("nvme0:0.fileName", &format!("{name}.vmdk")),
        ("sata0:1.present", "TRUE"),
        ("sata0:1.deviceType", "cdrom-image"),
        ("sata0:1.fileName", "medium.iso"),
        ("sata0:1.startConnected", "FALSE"),
        ("ethernet0.present", "TRUE"),
        ("ethernet0.addressType", "static"),
        ("ethernet0.address", &mac),
        ("serial0.present", "TRUE"),
        ("serial0.fileType", "file"),
        ("serial0.fileName", "serial0.log"),
    ] {
        vmx.set(key, value);
    }
    let path = folder.join(format!("{name}.vmx"));
    fs::write(&path, vmx.render())?;
    Ok(path)
}
