//! The store on disk.

mod adopt;
mod artifact;
mod carry;
mod durable;
mod export;
mod garbage;
mod layout;
mod lease;
mod listing;
mod manifest;
mod portable;
mod upload;
mod verify;

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

pub use artifact::{Blob, Part, PutArtifact};
pub use carry::{Carrier, StoredImage};
pub use garbage::{Collected, GarbageSpec};
pub use listing::{CatalogEntry, TaggedImage};
pub(crate) use manifest::{DOCKER_LIST, DOCKER_MANIFEST, Descriptor, Manifest, OCI_INDEX, OCI_MANIFEST};
pub(crate) use upload::Upload;
pub use verify::{Finding, Verified};

use crate::{Digest, RegistryError, Repository};

/// A folder with blobs, manifests and tags in the layout of the reference registry. Cheap to clone; every write is
/// complete or absent after a crash; two processes may use one store.
///
/// ```
/// let dir = tempfile::tempdir().unwrap();
/// let store = registry_mirror::Store::open(dir.path())?;
/// assert!(store.catalog()?.is_empty());
/// # Ok::<(), registry_mirror::RegistryError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Store {
    layout: layout::Layout,
    root: PathBuf,
}

impl Store {
    /// Opens a store, making its folders where they are missing.
    ///
    /// # Errors
    /// [`RegistryError::File`] where they cannot be made.
    pub fn open(root: &Path) -> Result<Self, RegistryError> {
        let layout = layout::Layout::new(root, cfg!(windows));
        for dir in [layout.blobs(), layout.repositories()] {
            fs::create_dir_all(&dir).map_err(RegistryError::file(&dir, "write"))?;
        }
        Ok(Self { layout, root: root.to_owned() })
    }

    /// The store's folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The folder for what a mirror run has begun to bring.
    pub(crate) fn partials(&self) -> PathBuf {
        partials(&self.root)
    }

    /// Size of a blob, if the store has it for any repository.
    pub fn blob_size(&self, digest: &Digest) -> Option<u64> {
        fs::metadata(self.layout.blob(digest)).ok().map(|m| m.len())
    }

    /// Size of a blob of a repository that somebody is about to rely on: it stays for as long as the collector of
    /// garbage gives young things.
    pub(crate) fn relied_on(&self, repository: &Repository, digest: &Digest) -> Result<Option<u64>, RegistryError> {
        if self.keep(&self.layout.layer_link(repository, digest))?.is_none() {
            return Ok(None);
        }
        self.keep(&self.layout.blob(digest))
    }

    /// Makes a blob that the store has for any repository one of this repository's; says whether it was there.
    pub(crate) fn mount(&self, repository: &Repository, digest: &Digest) -> Result<bool, RegistryError> {
        let there = self.keep(&self.layout.blob(digest))?.is_some();
        if there {
            self.link_blob(repository, digest)?;
        }
        Ok(there)
    }

    /// Size of a blob of a repository.
    pub(crate) fn repository_blob(&self, repository: &Repository, digest: &Digest) -> Option<u64> {
        self.layout.layer_link(repository, digest).exists().then(|| self.blob_size(digest)).flatten()
    }

    pub(crate) fn open_blob(&self, digest: &Digest) -> Result<File, RegistryError> {
        let path = self.layout.blob(digest);
        File::open(&path).map_err(RegistryError::file(&path, "read"))
    }

    pub(crate) fn read_blob(&self, digest: &Digest) -> Result<Vec<u8>, RegistryError> {
        let path = self.layout.blob(digest);
        fs::read(&path).map_err(RegistryError::file(&path, "read"))
    }

    /// Makes a blob of the store one of the repository's.
    pub(crate) fn link_blob(&self, repository: &Repository, digest: &Digest) -> Result<(), RegistryError> {
        self.link(&self.layout.layer_link(repository, digest), digest)
    }

    /// Takes a blob from a repository; says whether it was there. Other repositories keep it.
    pub(crate) fn unlink_blob(&self, repository: &Repository, digest: &Digest) -> Result<bool, RegistryError> {
        let link = self.layout.layer_link(repository, digest);
        remove(link.parent().unwrap_or(&link))
    }

    /// Writes a small blob; says whether it is new.
    fn write_blob(&self, digest: &Digest, bytes: &[u8]) -> Result<bool, RegistryError> {
        let path = self.layout.blob(digest);
        if self.keep(&path)? == Some(bytes.len() as u64) {
            return Ok(false);
        }
        durable::write(&path, bytes).map_err(RegistryError::file(&path, "write"))?;
        Ok(true)
    }

    /// Writes a link file; one that is right already is left alone.
    fn link(&self, path: &Path, digest: &Digest) -> Result<(), RegistryError> {
        let text = digest.to_string();
        if fs::read_to_string(path).is_ok_and(|old| old == text) && self.keep(path)?.is_some() {
            return Ok(());
        }
        durable::write(path, text.as_bytes()).map_err(RegistryError::file(path, "write"))
    }

    fn read_link(&self, path: &Path) -> Result<Option<Digest>, RegistryError> {
        let damaged = |_| RegistryError::file(path, "read")(io::Error::new(ErrorKind::InvalidData, "not a digest"));
        match fs::read_to_string(path) {
            Ok(text) => text.trim_end().parse().map(Some).map_err(damaged),
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
            Err(e) => Err(RegistryError::file(path, "read")(e)),
        }
    }
}

/// The folder, in a store or for a registry's sake beside none, for what a mirror run has begun to bring.
pub(crate) fn partials(scratch: &Path) -> PathBuf {
    scratch.join("partial")
}

/// Removes a folder; says whether it was there.
fn remove(dir: &Path) -> Result<bool, RegistryError> {
    match fs::remove_dir_all(dir) {
        Ok(()) => Ok(true),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(false),
        Err(e) => Err(RegistryError::file(dir, "remove")(e)),
    }
}
