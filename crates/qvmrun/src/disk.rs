//! Disk files: what one is by its content, what it is laid over, and the work of `qemu-img` on it.

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use machine::{Cmd, Local};

use crate::child::child;
use crate::{Failure, files};

/// What moves a whole disk may take this long.
const COPYING: Duration = Duration::from_secs(3600);

/// What a disk file is. Its name says nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Vmdk,
    Qcow2,
}

impl Format {
    /// QEMU's word for it.
    pub(crate) fn word(self) -> &'static str {
        if self == Self::Qcow2 { "qcow2" } else { "vmdk" }
    }
}

/// Looks at the first bytes of a disk.
pub(crate) fn format(path: &Path) -> Result<Format, Failure> {
    let read = |source| Failure::File { path: path.to_owned(), doing: "not read", source };
    let mut head = [0; 4];
    let count = File::open(path).map_err(read)?.read(&mut head).map_err(read)?;
    Ok(if head[..count] == *b"QFI\xfb" { Format::Qcow2 } else { Format::Vmdk })
}

/// The disk that an overlay only holds differences to.
pub(crate) fn backing(path: &Path) -> Option<PathBuf> {
    let file = File::open(path).ok()?;
    let mut head = [0; 20];
    file.read_exact_at(&mut head, 0).ok()?;
    let at = u64::from_be_bytes(head[8..16].try_into().ok()?);
    let length = u32::from_be_bytes(head[16..20].try_into().ok()?);
    if head[..4] != *b"QFI\xfb" || at == 0 || !(1..=1023).contains(&length) {
        return None;
    }
    let mut name = vec![0; usize::try_from(length).ok()?];
    file.read_exact_at(&mut name, at).ok()?;
    let name = PathBuf::from(String::from_utf8(name).ok()?);
    Some(path.parent().unwrap_or(Path::new("/")).join(name))
}

/// A disk and everything below it, top first.
pub(crate) fn chain(path: &Path) -> Vec<PathBuf> {
    let next = |p: &PathBuf| backing(p);
    std::iter::successors(Some(path.to_owned()), next).take(1000).collect()
}

/// Runs `qemu-img`, which ends with this process. One of a call that was killed may still be letting go of its files.
fn image(doing: &str, cmd: Cmd) -> Result<(), Failure> {
    let cmd = child(&cmd, None)?.timeout(COPYING);
    let begun = Instant::now();
    loop {
        let out = Local.run(&cmd).map_err(Failure::exec(doing))?;
        if out.code == 0 {
            return Ok(());
        }
        let held = out.error_text().contains("another process using");
        if !held || begun.elapsed() > Duration::from_secs(5) {
            return Err(Failure::host(doing)(out.error_text()));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Makes a file under its own name in a folder that nobody looks into, then puts it in its place.
fn place(new: &Path, make: impl FnOnce(&Path) -> Result<(), Failure>) -> Result<(), Failure> {
    let name = new.file_name().unwrap_or_default().to_string_lossy();
    let dir = new.with_file_name(format!(".{name}.{}.tmp", std::process::id()));
    files::dir(&dir)?;
    let inside = dir.join(new.file_name().unwrap_or_default());
    let made = make(&inside);
    let put = made.and_then(|()| {
        let synced = File::open(&inside).and_then(|f| f.sync_all()).and_then(|()| fs::rename(&inside, new));
        synced.map_err(|source| Failure::File { path: new.to_owned(), doing: "not written", source })
    });
    let _ = fs::remove_dir_all(&dir);
    put
}

/// Makes an empty overlay on a disk.
pub(crate) fn overlay(new: &Path, base: &Path) -> Result<(), Failure> {
    let below = format(base)?.word();
    let cmd = Cmd::new("qemu-img").args(["create", "-q", "-f", "qcow2", "-F", below, "-b"]).arg(base);
    place(new, |file| image("making an overlay of the disk", cmd.arg(file)))
}

/// Copies what a disk shows, with everything below it, into a new .vmdk that grows.
pub(crate) fn copy(from: &Path, to: &Path) -> Result<(), Failure> {
    let cmd = Cmd::new("qemu-img").args(["convert", "-q", "-f", format(from)?.word(), "-O", "vmdk"]);
    let cmd = cmd.args(["-o", "subformat=monolithicSparse"]).arg(from);
    place(to, |file| image("copying the disk", cmd.arg(file)))
}

/// Writes what an overlay holds into the disk below it. The overlay stays as it is, and shows the same.
pub(crate) fn commit(overlay: &Path) -> Result<(), Failure> {
    image("merging the disk's overlay", Cmd::new("qemu-img").args(["commit", "-q", "-d", "-f", "qcow2"]).arg(overlay))
}

/// Lays an overlay on a disk further below, and copies into it what it would lose. It always shows the same.
pub(crate) fn rebase(overlay: &Path, base: &Path) -> Result<(), Failure> {
    let below = format(base)?.word();
    let cmd = Cmd::new("qemu-img").args(["rebase", "-q", "-f", "qcow2", "-F", below, "-b"]);
    image("merging a disk into its overlay", cmd.arg(base).arg(overlay))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_file_is_is_read_from_it() {
        let dir = tempfile::tempdir().unwrap();
        let (base, top) = (dir.path().join("base.qcow2"), dir.path().join("top.vmdk"));
        vmware::Vmdk::new(1 << 20, vmware::DiskFormat::Flat).create(&base).unwrap();
        assert_eq!((format(&base).unwrap(), backing(&base)), (Format::Vmdk, None));
        let mut head = vec![0; 64];
        head[..4].copy_from_slice(b"QFI\xfb");
        head[15] = 32;
        head[19] = 10;
        head[32..42].copy_from_slice(b"base.qcow2");
        std::fs::write(&top, head).unwrap();
        assert_eq!((format(&top).unwrap(), backing(&top)), (Format::Qcow2, Some(base.clone())));
        assert_eq!(chain(&top), [top, base]);
        assert!(format(&dir.path().join("none")).is_err());
    }
}
