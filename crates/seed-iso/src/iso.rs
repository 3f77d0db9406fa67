//! Reading an image: names, files, symbolic links, checksums.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::IsoError;
use crate::image::{BLOCK, Image};
use crate::record::Record;
use crate::tree::{DescriptorSet, Names, Tree, descriptor_set};

/// What an entry of an image is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A file.
    File,
    /// A folder.
    Dir,
    /// A symbolic link to this place.
    Symlink(String),
}

/// A file, folder or symbolic link in an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Full path, from `/`, with `/` between names.
    pub path: String,
    /// What it is.
    pub kind: Kind,
    /// Size of a file in bytes; 0 for others.
    pub size: u64,
    /// Unix permission bits; 0o444 or 0o555 where the image has none.
    pub mode: u32,
    /// Where the data lies: byte offset and length of each piece.
    extents: Vec<(u64, u64)>,
}

impl Entry {
    /// Where the data begins, in bytes from the start of the image.
    pub(crate) fn place(&self) -> Option<u64> {
        self.extents.first().filter(|(_, len)| *len > 0).map(|(offset, _)| *offset)
    }
}

/// An opened image.
///
/// ```no_run
/// let iso = seed_iso::Iso::open(std::path::Path::new("ubuntu.iso"))?;
/// println!("{}: {} entries", iso.volume_id(), iso.entries().len());
/// # Ok::<(), seed_iso::IsoError>(())
/// ```
#[derive(Debug)]
pub struct Iso {
    pub(crate) image: Image,
    pub(crate) set: DescriptorSet,
    volume_id: String,
    entries: Vec<Entry>,
}

/// More entries than this are taken for damage.
const MOST_ENTRIES: usize = 1 << 20;
const DEEPEST: usize = 64;

impl Iso {
    /// Opens an image and reads its directories; Rock Ridge names are preferred, then Joliet's, then plain ones.
    pub fn open(path: &Path) -> Result<Self, IsoError> {
        let image = Image::open(path)?;
        let set = descriptor_set(&image, 0)?.ok_or_else(|| IsoError::NotAnIso { path: path.to_owned() })?;
        let rank = |t: &&Tree| match t.names {
            Names::RockRidge { .. } => 0,
            Names::Joliet => 1,
            Names::Plain => 2,
        };
        let tree = set.trees.iter().min_by_key(rank).ok_or_else(|| IsoError::NotAnIso { path: path.to_owned() })?;
        let primary = set.trees.iter().find(|t| t.names != Names::Joliet).unwrap_or(tree);
        let want = u64::from(primary.volume_blocks) * BLOCK;
        if want > image.len {
            return Err(IsoError::Truncated { path: path.to_owned(), have: image.len, want });
        }
        let descriptor = image.block(primary.descriptor)?;
        let volume_id = String::from_utf8_lossy(&descriptor[40..72]).trim_end_matches([' ', '\0']).to_owned();
        let entries = Walk { image: &image, tree, entries: Vec::new(), seen: HashSet::new() }.all()?;
        Ok(Self { image, set, volume_id, entries })
    }

    /// The label of the volume.
    pub fn volume_id(&self) -> &str {
        &self.volume_id
    }

    /// All files, folders and links; a folder comes before what is in it. The root itself is not among them.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The entry with this path; the leading `/` may be left out.
    pub fn entry(&self, path: &str) -> Option<&Entry> {
        let path = path.trim_matches('/');
        self.entries.iter().find(|e| e.path[1..] == *path)
    }

    /// The bytes of a file.
    pub fn read(&self, path: &str) -> Result<Vec<u8>, IsoError> {
        let entry = self.entry(path).filter(|e| e.kind == Kind::File);
        let entry = entry.ok_or_else(|| IsoError::NoFile { path: self.image.path.clone(), name: path.to_owned() })?;
        let mut out = Vec::new();
        self.copy(entry, &mut out, &self.image.path)?;
        Ok(out)
    }

    /// Writes the bytes of a file to `out`; `name` is what errors call the target.
    pub(crate) fn copy(&self, entry: &Entry, out: &mut dyn Write, name: &Path) -> Result<(), IsoError> {
        for (offset, len) in &entry.extents {
            let mut done = 0;
            while done < *len {
                let part = (*len - done).min(1 << 20);
                let bytes = self.image.read(offset + done, part)?;
                let fail = |source| IsoError::Io { path: name.to_owned(), doing: "write", source };
                out.write_all(&bytes).map_err(fail)?;
                done += part;
            }
        }
        Ok(())
    }

    /// Writes everything below `dir`, with modes, and on Unix with symbolic links. What is there already is never
    /// overwritten, and no name of the image can lead outside: links are made last.
    pub fn extract(&self, dir: &Path) -> Result<(), IsoError> {
        let fail = |path: &Path| {
            let path = path.to_owned();
            move |source| IsoError::Io { path, doing: "extract", source }
        };
        fs::create_dir_all(dir).map_err(fail(dir))?;
        let place = |entry: &Entry| entry.path.split('/').skip(1).fold(dir.to_owned(), |p: PathBuf, name| p.join(name));
        for entry in self.entries.iter().filter(|e| e.kind == Kind::Dir) {
            fs::create_dir(place(entry)).map_err(fail(&place(entry)))?;
        }
        for entry in self.entries.iter().filter(|e| e.kind == Kind::File) {
            let path = place(entry);
            let mut file = File::options().write(true).create_new(true).open(&path).map_err(fail(&path))?;
            self.copy(entry, &mut file, &path)?;
            set_mode(&path, entry.mode).map_err(fail(&path))?;
        }
        #[cfg(unix)]
        for entry in &self.entries {
            if let Kind::Symlink(target) = &entry.kind {
                std::os::unix::fs::symlink(target, place(entry)).map_err(fail(&place(entry)))?;
            }
        }
        for entry in self.entries.iter().rev().filter(|e| e.kind == Kind::Dir) {
            set_mode(&place(entry), entry.mode | 0o700).map_err(fail(&place(entry)))?;
        }
        Ok(())
    }

    /// The SHA-256 of the whole file, in hexadecimal.
    pub fn sha256(path: &Path) -> Result<String, IsoError> {
        let fail = |source| IsoError::Io { path: path.to_owned(), doing: "read", source };
        let mut file = File::open(path).map_err(fail)?;
        let mut hash = Sha256::new();
        let mut buffer = vec![0; 1 << 20];
        loop {
            match file.read(&mut buffer).map_err(fail)? {
                0 => return Ok(hex::encode(hash.finalize())),
                n => hash.update(&buffer[..n]),
            }
        }
    }
}

#[cfg(unix)]
fn set_mode(path: &Path, mode: u32) -> std::io::Result<()> {
    fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(mode & 0o777))
}

#[cfg(not(unix))]
fn set_mode(_: &Path, _: u32) -> std::io::Result<()> {
    Ok(())
}

/// A walk over all directories of a tree.
struct Walk<'a> {
    image: &'a Image,
    tree: &'a Tree,
    entries: Vec<Entry>,
    seen: HashSet<u32>,
}

impl Walk<'_> {
    fn all(mut self) -> Result<Vec<Entry>, IsoError> {
        self.dir(self.tree.root, "", 0)?;
        Ok(self.entries)
    }

    fn dir(&mut self, dir: (u32, u32), path: &str, depth: usize) -> Result<(), IsoError> {
        if depth > DEEPEST || !self.seen.insert(dir.0) {
            return Err(self.image.damaged(format!("directories in a circle at {path}/")));
        }
        let records = self.tree.read_dir(self.image, dir)?;
        let mut rest = records.iter().filter(|r| !r.is_dot());
        while let Some(record) = rest.next() {
            let rock = self.tree.rock_ridge(self.image, record)?;
            if rock.relocated {
                continue;
            }
            let name = self.tree.name(self.image, record)?;
            if name.is_empty() || name == "." || name == ".." || name.contains(['/', '\0']) || odd_here(&name) {
                return Err(self.image.damaged(format!("unsafe name {name:?} in {path}/")));
            }
            let path = format!("{path}/{name}");
            let mut extents = vec![self.extent(record)?];
            let mut last = record;
            while last.goes_on() {
                last = rest.next().ok_or_else(|| self.image.damaged(format!("{path}: the last piece is missing")))?;
                extents.push(self.extent(last)?);
            }
            let child = match rock.child {
                Some(block) => Some((block, self.size_of_dir(block)?)),
                None => record.is_dir().then(|| (record.block(), record.size())),
            };
            let size = extents.iter().map(|(_, len)| len).sum();
            if size > self.image.len || self.entries.len() >= MOST_ENTRIES {
                return Err(self.image.damaged(format!("{path}: larger than the image")));
            }
            let mode = |default| rock.mode.map_or(default, |m| m & 0o7777);
            let entry = match (child, rock.target) {
                (Some(_), _) => Entry { kind: Kind::Dir, size: 0, mode: mode(0o555), extents: Vec::new(), path },
                (_, Some(to)) => Entry { kind: Kind::Symlink(to), size: 0, mode: 0o777, extents: Vec::new(), path },
                _ => Entry { kind: Kind::File, size, mode: mode(0o444), extents, path },
            };
            let path = entry.path.clone();
            self.entries.push(entry);
            if let Some(child) = child {
                self.dir(child, &path, depth + 1)?;
            }
        }
        Ok(())
    }

    fn extent(&self, record: &Record) -> Result<(u64, u64), IsoError> {
        let extent = (self.tree.offset(record.block()), u64::from(record.size()));
        if record.size() > 0 && extent.0 + extent.1 > self.image.len {
            return Err(self.image.damaged(format!("data at block {} lies outside the image", record.block())));
        }
        Ok(extent)
    }

    /// The size of a relocated directory, from its own first record.
    fn size_of_dir(&self, block: u32) -> Result<u32, IsoError> {
        let first = self.tree.read_dir(self.image, (block, BLOCK as u32))?;
        first.first().map(Record::size).ok_or_else(|| self.image.damaged("an empty relocated directory"))
    }
}

/// Names that mean something else to this operating system.
fn odd_here(name: &str) -> bool {
    cfg!(windows) && (name.contains(['\\', ':']) || name.ends_with(['.', ' ']))
}
