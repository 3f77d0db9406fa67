//! Virtual disks: creating an empty one, saying what an existing one is.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::VmdkError;
use crate::vmdk_sparse as sparse;

/// How a disk's data lies on the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DiskFormat {
    /// `monolithicSparse`: one file that grows in grains of 64 KiB.
    Sparse,
    /// `monolithicFlat`: a descriptor and a raw file beside it, which the host's file system may keep sparse.
    Flat,
}

/// A disk to create.
///
/// ```
/// let dir = tempfile::tempdir().unwrap();
/// let path = dir.path().join("master.vmdk");
/// vmware::Vmdk { capacity_bytes: 64 << 20, format: vmware::DiskFormat::Sparse }.create(&path).unwrap();
/// let disk = vmware::Vmdk::open(&path).unwrap();
/// assert_eq!(disk.capacity_bytes, 64 << 20);
/// assert!(vmware::is_blank(&path).unwrap());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Vmdk {
    /// Size the guest sees, in bytes; rounded up to whole grains of 64 KiB.
    pub capacity_bytes: u64,
    /// How the data lies on the host.
    pub format: DiskFormat,
}

/// What an existing disk is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disk {
    /// Size the guest sees, in bytes.
    pub capacity_bytes: u64,
    /// How the data lies on the host.
    pub format: DiskFormat,
    /// The file with the data: the .vmdk itself, or the raw file beside it.
    pub extent: PathBuf,
    /// Where in `extent` the guest's first byte lies; only a flat disk has such a place.
    pub extent_offset: u64,
    /// Content id: VMware and QEMU change it when the disk is written.
    pub cid: u32,
    /// The parent's content id, for a disk that only holds differences.
    pub parent_cid: Option<u32>,
}

/// VMware's own limit for hosted disks, and ours.
const LARGEST: u64 = 8 << 40;
const SECTOR: u64 = 512;
/// The content id that VMware gives to a disk that was never written.
const FRESH_CID: u32 = 0xffff_fffe;
const NO_PARENT: u32 = 0xffff_ffff;

impl Vmdk {
    /// A disk of this size in bytes.
    pub fn new(capacity_bytes: u64, format: DiskFormat) -> Self {
        Self { capacity_bytes, format }
    }

    /// Creates the disk. It gets its name when it is whole, and files that exist are never overwritten; a raw file
    /// that is as wanted, blank, and without its descriptor is what an interrupted call left, and is used.
    pub fn create(&self, path: &Path) -> Result<(), VmdkError> {
        let capacity = self.capacity_bytes.next_multiple_of(sparse::GRAIN * SECTOR);
        if !(1 << 20..=LARGEST).contains(&capacity) {
            return Err(VmdkError::Size { bytes: self.capacity_bytes });
        }
        let sectors = capacity / SECTOR;
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        match self.format {
            DiskFormat::Sparse => {
                let text = descriptor("monolithicSparse", &format!("RW {sectors} SPARSE \"{name}\""), sectors);
                write_new(path, |file| sparse::write(file, sectors, &text))
            }
            DiskFormat::Flat => {
                let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
                let raw = format!("{stem}-flat.vmdk");
                let text = descriptor("monolithicFlat", &format!("RW {sectors} FLAT \"{raw}\" 0"), sectors);
                let raw = path.with_file_name(&raw);
                if path.exists() || !left_blank(&raw, capacity) {
                    write_new(&raw, |file| file.set_len(capacity))?;
                }
                write_new(path, |file| file.write_all(text.as_bytes()))
            }
        }
    }

    /// Reads what a disk is. Disks in several extents and compressed ones are refused.
    pub fn open(path: &Path) -> Result<Disk, VmdkError> {
        let unknown = |what: &str| VmdkError::Unknown { path: path.to_owned(), what: what.to_owned() };
        let read = |source| VmdkError::Io { path: path.to_owned(), doing: "read", source };
        let mut file = File::open(path).map_err(read)?;
        let mut head = vec![0; 64 << 10];
        let got = read_most(&mut file, &mut head).map_err(read)?;
        head.truncate(got);
        let header = if head.starts_with(b"KDMV") { Some(sparse::header(&head).map_err(unknown)?) } else { None };
        let text = match &header {
            Some(h) => sparse::descriptor_text(&head, h).ok_or_else(|| unknown("no descriptor inside"))?,
            None => String::from_utf8(head).map_err(|_| unknown("not a disk descriptor"))?,
        };
        if !text.starts_with("# Disk DescriptorFile") {
            return Err(unknown("not a disk descriptor"));
        }
        let (cid, parent) = (hex(&text, "CID"), hex(&text, "parentCID"));
        let extents: Vec<&str> = text.lines().filter(|l| l.starts_with("RW ") || l.starts_with("RDONLY ")).collect();
        let [extent] = extents[..] else { return Err(unknown("not exactly one extent")) };
        let (kind, sectors, name, offset) = split_extent(extent).ok_or_else(|| unknown("unreadable extent line"))?;
        let capacity_bytes =
            sectors.checked_mul(SECTOR).filter(|b| *b <= LARGEST).ok_or_else(|| unknown("too large"))?;
        let (format, extent) = match (kind, header) {
            ("SPARSE", Some(h)) if h.capacity == sectors => (DiskFormat::Sparse, path.to_owned()),
            ("FLAT", None) => (DiskFormat::Flat, path.parent().unwrap_or(Path::new(".")).join(name)),
            _ => return Err(unknown("a kind of extent that is not supported")),
        };
        let extent_offset = if format == DiskFormat::Flat { offset.saturating_mul(SECTOR) } else { 0 };
        let parent_cid = parent.filter(|p| *p != NO_PARENT);
        Ok(Disk { capacity_bytes, format, extent, extent_offset, cid: cid.unwrap_or(FRESH_CID), parent_cid })
    }
}

impl Disk {
    /// Reads guest bytes from `offset` on; parts that were never written are zeros.
    pub fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), VmdkError> {
        let read = |source| VmdkError::Io { path: self.extent.clone(), doing: "read", source };
        let mut file = File::open(&self.extent).map_err(read)?;
        buffer.fill(0);
        match self.format {
            DiskFormat::Flat => {
                file.seek(SeekFrom::Start(self.extent_offset.saturating_add(offset))).map_err(read)?;
                read_most(&mut file, buffer).map_err(read)?;
                Ok(())
            }
            DiskFormat::Sparse => sparse::read_at(&mut file, offset, buffer).map_err(read),
        }
    }
}

/// Whether nothing is installed on the disk: its first MiB, where partition tables and boot sectors live, is zero.
pub fn is_blank(path: &Path) -> Result<bool, VmdkError> {
    let mut start = vec![0; 1 << 20];
    Vmdk::open(path)?.read_at(0, &mut start)?;
    Ok(start.iter().all(|b| *b == 0))
}

fn write_new(path: &Path, fill: impl FnOnce(&mut File) -> std::io::Result<()>) -> Result<(), VmdkError> {
    let fail = |source| VmdkError::Io { path: path.to_owned(), doing: "create", source };
    if path.exists() {
        return Err(fail(std::io::ErrorKind::AlreadyExists.into()));
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let temporary = path.with_file_name(format!(".{name}.{}.tmp", std::process::id()));
    let _ = fs::remove_file(&temporary);
    let mut file = File::options().write(true).create_new(true).open(&temporary).map_err(fail)?;
    let filled = fill(&mut file).and_then(|()| file.sync_all());
    drop(file);
    // A hard link, unlike a rename, refuses to replace what somebody else made meanwhile.
    let done = filled.and_then(|()| match fs::hard_link(&temporary, path) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => fs::rename(&temporary, path),
        other => other,
    });
    let _ = fs::remove_file(&temporary);
    done.map_err(fail)
}

/// Whether a raw file has this length and nothing in its first MiB.
fn left_blank(raw: &Path, capacity: u64) -> bool {
    let mut start = vec![0; 1 << 20];
    let mut read = || {
        let mut file = File::open(raw)?;
        let length = file.metadata()?.len();
        read_most(&mut file, &mut start).map(|_| length)
    };
    read().is_ok_and(|length| length == capacity) && start.iter().all(|b| *b == 0)
}

pub(crate) fn read_most(file: &mut File, buffer: &mut [u8]) -> std::io::Result<usize> {
    let mut done = 0;
    while done < buffer.len() {
        match file.read(&mut buffer[done..])? {
            0 => break,
            n => done += n,
        }
    }
    Ok(done)
}

/// The text of a descriptor (VMware's "Virtual Disk Format 5.0").
fn descriptor(create_type: &str, extent: &str, sectors: u64) -> String {
    let cylinders = (sectors / (255 * 63)).clamp(1, 65_535);
    format!(
        "# Disk DescriptorFile\nversion=1\nencoding=\"UTF-8\"\nCID={FRESH_CID:08x}\nparentCID={NO_PARENT:08x}\n\
         createType=\"{create_type}\"\n\n# Extent description\n{extent}\n\n# The Disk Data Base\n#DDB\n\n\
         ddb.adapterType = \"lsilogic\"\nddb.geometry.cylinders = \"{cylinders}\"\nddb.geometry.heads = \"255\"\n\
         ddb.geometry.sectors = \"63\"\nddb.virtualHWVersion = \"19\"\n"
    )
}

fn hex(text: &str, key: &str) -> Option<u32> {
    let value = text.lines().find_map(|l| l.strip_prefix(key)?.strip_prefix('='))?;
    u32::from_str_radix(value.trim(), 16).ok()
}

/// `RW 131072 FLAT "d-flat.vmdk" 0` -> kind, sectors, name, offset in sectors.
fn split_extent(line: &str) -> Option<(&str, u64, &str, u64)> {
    let (front, rest) = line.split_once('"')?;
    let (name, back) = rest.split_once('"')?;
    let mut words = front.split_whitespace().skip(1);
    let sectors = words.next()?.parse().ok()?;
    let kind = words.next()?;
    let offset = back.trim();
    Some((kind, sectors, name, if offset.is_empty() { 0 } else { offset.parse().ok()? }))
}
