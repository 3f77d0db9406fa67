//! Files in a folder or in a tar, by name. Nothing is unpacked, so no name in an archive can do harm.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Cursor, ErrorKind, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use tempfile::{NamedTempFile, TempPath};

use super::tar_index::{Place, index};
use super::unpack::Compression;
use crate::RegistryError;
use crate::store::partials;

/// Manifests and configs are small; whatever is larger is none.
const LARGEST_DOCUMENT: u64 = 16 << 20;
/// How many links may lead to a file.
const DEEPEST_LINK: usize = 8;
/// What images compress to; an archive made to fill a disk compresses a thousandfold.
const MOST_UNPACKED: u64 = 200;

/// A folder or a tar.
#[derive(Debug)]
pub(super) struct Archive {
    pub(super) path: PathBuf,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Folder,
    Tar { plain: PathBuf, index: HashMap<String, Place>, _unpacked: Option<Unpacked> },
}

/// A compressed tar's content. A killed run leaves it where the collector of garbage finds it.
#[derive(Debug)]
struct Unpacked {
    file: Option<TempPath>,
    dir: PathBuf,
}

impl Unpacked {
    fn write(path: &Path, packed: File, how: Compression, dir: PathBuf) -> Result<(File, Self), RegistryError> {
        let write = || RegistryError::file(&dir, "write");
        let most = packed.metadata().map_err(RegistryError::file(path, "read"))?.len();
        let most = most.saturating_mul(MOST_UNPACKED) + (64 << 20);
        std::fs::create_dir_all(&dir).map_err(write())?;
        let (file, temporary) = NamedTempFile::with_prefix_in("unpacked-", &dir).map_err(write())?.into_parts();
        let this = Self { file: Some(temporary), dir };
        let size = io::copy(&mut how.unpack(packed).take(most), &mut &file);
        match size.map_err(|e| not_an_image(path, e.to_string()))? {
            size if size < most => Ok((file, this)),
            _ => Err(not_an_image(path, format!("unpacked it is more than {MOST_UNPACKED} times as large"))),
        }
    }
}

impl Drop for Unpacked {
    fn drop(&mut self) {
        drop(self.file.take());
        // Only an empty one goes.
        let _ = std::fs::remove_dir(&self.dir);
    }
}

impl Archive {
    /// Opens a folder, a tar, or a compressed tar, which is first unpacked into a temporary file in `scratch`.
    pub(super) fn open(path: &Path, scratch: &Path) -> Result<Self, RegistryError> {
        let read = || RegistryError::file(path, "read");
        let kind = if path.is_dir() {
            Kind::Folder
        } else {
            let mut file = File::open(path).map_err(read())?;
            let mut plain = path.to_owned();
            let mut unpacked = None;
            if let Some(how) = compression(&file).map_err(read())? {
                let (content, temporary) = Unpacked::write(path, file, how, partials(scratch))?;
                (file, plain) = (content, temporary.file.as_deref().unwrap_or(path).to_owned());
                file.seek(SeekFrom::Start(0)).map_err(read())?;
                unpacked = Some(temporary);
            }
            let index = index(&mut file).map_err(|e| not_an_image(path, format!("not a tar of an image: {e}")))?;
            Kind::Tar { plain, index, _unpacked: unpacked }
        };
        Ok(Self { path: path.to_owned(), kind })
    }

    /// Size of a file, or `None` where there is no such file.
    pub(super) fn size(&self, name: &str) -> Option<u64> {
        match &self.kind {
            Kind::Folder => self.path.join(safe(name)?).metadata().ok().map(|m| m.len()),
            Kind::Tar { index, .. } => resolve(index, name).map(|(_, size)| size),
        }
    }

    /// A file's content.
    pub(super) fn open_file(&self, name: &str) -> io::Result<Box<dyn Read + Send>> {
        let missing = || io::Error::new(ErrorKind::NotFound, format!("{name} is not in it"));
        match &self.kind {
            Kind::Folder => Ok(Box::new(File::open(self.path.join(safe(name).ok_or_else(missing)?))?)),
            Kind::Tar { plain, index, .. } => {
                let (at, size) = resolve(index, name).ok_or_else(missing)?;
                // Opened anew: a cloned handle would share its position with other readers.
                let mut file = File::open(plain)?;
                file.seek(SeekFrom::Start(at))?;
                Ok(Box::new(file.take(size)))
            }
        }
    }

    /// A small file's content.
    pub(super) fn document(&self, name: &str) -> Result<Vec<u8>, RegistryError> {
        let read = || {
            if self.size(name).is_some_and(|size| size > LARGEST_DOCUMENT) {
                return Err(io::Error::other(format!("{name} is too large")));
            }
            let mut bytes = Vec::new();
            self.open_file(name)?.take(LARGEST_DOCUMENT).read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        read().map_err(|e| not_an_image(&self.path, e.to_string()))
    }

    /// How a file is compressed, if it is.
    pub(super) fn compression(&self, name: &str) -> Option<Compression> {
        let mut head = Vec::new();
        self.open_file(name).and_then(|file| file.take(4).read_to_end(&mut head)).ok()?;
        Compression::of(&head)
    }
}

pub(super) fn not_an_image(path: &Path, why: impl Into<String>) -> RegistryError {
    RegistryError::NotAnImage { origin: path.display().to_string(), why: why.into() }
}

fn compression(mut file: &File) -> io::Result<Option<Compression>> {
    let mut head = Vec::new();
    file.take(4).read_to_end(&mut head)?;
    file.seek(SeekFrom::Start(0))?;
    Ok(Compression::of(&head))
}

fn resolve(index: &HashMap<String, Place>, name: &str) -> Option<(u64, u64)> {
    let mut name = name.trim_start_matches("./").to_owned();
    for _ in 0..DEEPEST_LINK {
        match index.get(&name)? {
            Place::Content { at, size } => return Some((*at, *size)),
            Place::Link(target) => name.clone_from(target),
        }
    }
    None
}

/// A name that stays inside its folder.
fn safe(name: &str) -> Option<&str> {
    let plain = |part: &str| !part.is_empty() && part != "." && part != ".." && !part.contains(['\\', ':']);
    name.split('/').all(plain).then_some(name)
}

/// A reader over bytes that are already here.
pub(super) fn bytes_reader(bytes: Vec<u8>) -> Box<dyn Read + Send> {
    Box::new(Cursor::new(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_inside() {
        assert!(safe("../x").is_none() && safe("/x").is_none() && safe("a\\b").is_none() && safe("C:/x").is_none());
        assert_eq!(safe("blobs/sha256/ab"), Some("blobs/sha256/ab"));
    }

    #[test]
    fn links_in_a_circle_lead_nowhere() {
        let link = |to: &str| Place::Link(to.to_owned());
        let index = HashMap::from([("a".to_owned(), link("b")), ("b".to_owned(), link("a"))]);
        assert!(resolve(&index, "a").is_none());
    }
}
