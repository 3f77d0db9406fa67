//! The .vmx's disk as block devices of this host, without changing the host's mounts.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use machine::{Background, Cmd, Local};
use rustix::mount::{UnmountFlags, unmount};
use rustix::process::{Pid, Signal, kill_process};
use vmware::{DiskFormat, Vmdk};

use crate::Failure;
use crate::child::child;
use crate::disk::{self, Format};
use crate::place::Place;
use crate::wait::until;

/// Where the first partition begins, in sectors and in bytes.
const FIRST_SECTOR: u64 = 2048;
const FIRST_BYTE: u64 = FIRST_SECTOR * 512;

/// The disk's bytes as one file: a flat disk's own extent, or what qemu-storage-daemon makes of a sparse one.
#[derive(Debug)]
pub(super) struct Storage {
    raw: PathBuf,
    start: u64,
    daemon: Option<Background>,
}

impl Storage {
    pub(super) fn open(file: &Path, place: &Place) -> Result<Self, Failure> {
        let format = disk::format(file)?;
        if format == Format::Vmdk {
            let disk = Vmdk::open(file).map_err(Failure::host("opening the disk"))?;
            if disk.parent_cid.is_some() {
                return Err(Failure::host("opening the disk")("it only holds differences to another disk"));
            }
            if disk.format == DiskFormat::Flat {
                return Ok(Self { raw: disk.extent, start: disk.extent_offset, daemon: None });
            }
        }
        let raw = place.dir().join("disk");
        fs::write(&raw, "").map_err(|source| Failure::File { path: raw.clone(), doing: "not written", source })?;
        let name = |path: &Path| path.display().to_string().replace(',', ",,");
        let cmd = Cmd::new("qemu-storage-daemon")
            .arg("--blockdev")
            .arg(format!("driver=file,node-name=file,filename={}", name(file)))
            .arg("--blockdev")
            .arg(format!("driver={},node-name=disk,file=file", format.word()))
            .arg("--export")
            .arg(format!("type=fuse,id=export,node-name=disk,mountpoint={},writable=on", name(&raw)));
        let daemon = Local.start(&child(&cmd, None)?, &place.log()).map_err(Failure::exec("opening the disk"))?;
        let there = || fs::metadata(&raw).is_ok_and(|m| m.len() > 0);
        until(Duration::from_secs(20), || there() || daemon.ended().is_some());
        if !there() {
            let log = place.log().display().to_string();
            return Err(Failure::host("opening the disk")(format!("qemu-storage-daemon does not show it; see {log}")));
        }
        Ok(Self { raw, start: 0, daemon: Some(daemon) })
    }

    /// Whether a first partition begins where installers put it.
    pub(super) fn has_partition(&self) -> Result<bool, Failure> {
        let read = |source| Failure::File { path: self.raw.clone(), doing: "not read", source };
        let file = File::open(&self.raw).map_err(read)?;
        let mut head = [0; 2048];
        file.read_exact_at(&mut head, self.start).map_err(read)?;
        Ok(first_sector(&head) == Some(FIRST_SECTOR))
    }

    pub(super) fn whole(&self) -> Result<Loop, Failure> {
        Loop::attach(&self.raw, self.start)
    }

    pub(super) fn partition(&self) -> Result<Loop, Failure> {
        Loop::attach(&self.raw, self.start + FIRST_BYTE)
    }
}

impl Drop for Storage {
    fn drop(&mut self) {
        let Some(daemon) = &self.daemon else { return };
        if let Some(pid) = i32::try_from(daemon.pid).ok().and_then(Pid::from_raw) {
            let _ = kill_process(pid, Signal::TERM);
        }
        until(Duration::from_secs(10), || daemon.ended().is_some()); // it writes back what it holds
        let _ = unmount(&self.raw, UnmountFlags::DETACH);
        let _ = fs::remove_file(&self.raw);
    }
}

/// The first partition's first sector, from the first four sectors of a disk: MBR, or GPT behind a protective MBR.
fn first_sector(head: &[u8; 2048]) -> Option<u64> {
    if head[510..512] != [0x55, 0xaa] {
        return None;
    }
    match head[450] {
        0 => None,
        0xee => (head[512..520] == *b"EFI PART" && head[1024..1040] != [0; 16])
            .then(|| u64::from_le_bytes(head[1056..1064].try_into().unwrap_or_default())),
        _ => Some(u64::from(u32::from_le_bytes(head[454..458].try_into().unwrap_or_default()))),
    }
}

/// A loop device that detaches by itself when its last user is gone, this value included.
#[derive(Debug)]
pub(super) struct Loop {
    device: PathBuf,
    _open: File,
}

impl Loop {
    fn attach(file: &Path, offset: u64) -> Result<Self, Failure> {
        let doing = "attaching a loop device";
        let cmd = Cmd::new("losetup").args(["--find", "--show", "--offset"]).arg(offset.to_string()).arg(file);
        let device = PathBuf::from(Local.run_ok(&cmd).map_err(Failure::exec(doing))?.text());
        let open = File::open(&device).map_err(Failure::host(doing));
        let detach = Cmd::new("losetup").arg("--detach").arg(&device); // while open: at the last close
        Local.run_ok(&detach).map_err(Failure::exec(doing))?;
        Ok(Self { device, _open: open? })
    }

    pub(super) fn device(&self) -> &Path {
        &self.device
    }
}

/// A mounted file system; it is unmounted when this value goes.
#[derive(Debug)]
pub(super) struct Mounted {
    dir: PathBuf,
}

impl Mounted {
    /// Mounts a device's file system; none if there is nothing that can be mounted.
    pub(super) fn device(device: &Loop, dir: &Path) -> Result<Option<Self>, Failure> {
        let cmd = Cmd::new("mount").arg(device.device()).arg(dir);
        let out = Local.run(&cmd).map_err(Failure::exec("mounting the disk"))?;
        Ok((out.code == 0).then(|| Self { dir: dir.to_owned() }))
    }

    /// A file system in memory, like the one an initial RAM disk is unpacked into.
    pub(super) fn memory(dir: &Path) -> Result<Self, Failure> {
        let cmd = Cmd::new("mount").args(["-t", "tmpfs", "-o", "mode=755", "tmpfs"]).arg(dir);
        Local.run_ok(&cmd).map_err(Failure::exec("mounting a file system in memory"))?;
        Ok(Self { dir: dir.to_owned() })
    }

    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let gone = until(Duration::from_secs(5), || unmount(&self.dir, UnmountFlags::empty()).is_ok());
        if !gone {
            let _ = unmount(&self.dir, UnmountFlags::DETACH);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partition_tables() {
        let mut head = [0; 2048];
        assert_eq!(first_sector(&head), None);
        head[510..512].copy_from_slice(&[0x55, 0xaa]);
        assert_eq!(first_sector(&head), None);
        head[450] = 0x83;
        head[454..458].copy_from_slice(&2048_u32.to_le_bytes());
        assert_eq!(first_sector(&head), Some(2048));
        head[450] = 0xee;
        assert_eq!(first_sector(&head), None);
        head[512..520].copy_from_slice(b"EFI PART");
        head[1024] = 1;
        head[1056..1064].copy_from_slice(&4096_u64.to_le_bytes());
        assert_eq!(first_sector(&head), Some(4096));
    }
}
