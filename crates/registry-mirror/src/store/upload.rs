//! A blob on its way into the store.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::{Store, durable};
use crate::digest::{Algorithm, Hasher};
use crate::{Digest, RegistryError, Repository};

/// A blob that arrives in pieces. Dropped without [`finish`](Upload::finish), what came so far stays and can be
/// continued, also after a restart.
#[derive(Debug)]
pub(crate) struct Upload {
    store: Store,
    repository: Repository,
    id: String,
    dir: PathBuf,
    file: File,
    offset: u64,
    /// Only while every byte passed through this value; otherwise the file is read once more at the end.
    hasher: Option<Hasher>,
}

impl Store {
    /// Begins an upload; `algorithm` is a guess at the digest's.
    pub(crate) fn begin_upload(&self, repository: &Repository, algorithm: Algorithm) -> Result<Upload, RegistryError> {
        self.begin(repository, algorithm, "")
    }

    /// Begins an upload of this process itself. It is named after the process (`local-PID-...`), cannot be continued,
    /// and may be removed once that process is gone.
    pub(crate) fn begin_local(&self, repository: &Repository) -> Result<Upload, RegistryError> {
        self.begin(repository, Algorithm::Sha256, &format!("local-{}-", std::process::id()))
    }

    fn begin(&self, repository: &Repository, algorithm: Algorithm, front: &str) -> Result<Upload, RegistryError> {
        let mut random = [0; 16];
        let uploads = self.layout.uploads(repository);
        getrandom::fill(&mut random)
            .map_err(|e| RegistryError::file(&uploads, "write")(std::io::Error::other(e.to_string())))?;
        let id = format!("{front}{}", new_id(random));
        let dir = uploads.join(&id);
        let data = dir.join("data");
        // The end of another upload may take the folder away in between.
        let make = || fs::create_dir_all(&dir).and_then(|()| File::create_new(&data));
        let missing = |made: &io::Result<File>| made.as_ref().is_err_and(|e| e.kind() == ErrorKind::NotFound);
        let mut file = make();
        for _ in 0..10 {
            if missing(&file) {
                file = make();
            }
        }
        let file = file.map_err(RegistryError::file(&data, "write"))?;
        let hasher = Some(Hasher::new(algorithm));
        Ok(Upload { store: self.clone(), repository: repository.clone(), id, dir, file, offset: 0, hasher })
    }

    /// An upload that was begun before.
    pub(crate) fn open_upload(&self, repository: &Repository, id: &str) -> Result<Option<Upload>, RegistryError> {
        if !is_id(id) {
            return Ok(None);
        }
        let dir = self.layout.uploads(repository).join(id);
        let data = dir.join("data");
        let mut file = match File::options().write(true).open(&data) {
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
            other => other.map_err(RegistryError::file(&data, "read"))?,
        };
        let offset = file.seek(SeekFrom::End(0)).map_err(RegistryError::file(&data, "read"))?;
        let hasher = (offset == 0).then(|| Hasher::new(Algorithm::Sha256));
        let (store, repository, id) = (self.clone(), repository.clone(), id.to_owned());
        Ok(Some(Upload { store, repository, id, dir, file, offset, hasher }))
    }

    /// Removes what came of an upload.
    pub(crate) fn forget_upload(&self, repository: &Repository, id: &str) -> Result<(), RegistryError> {
        if id.starts_with("local-") {
            discard(&self.layout.uploads(repository).join(id));
        }
        if let Some(upload) = self.open_upload(repository, id)? {
            upload.discard();
        }
        Ok(())
    }
}

/// Whether a text has the form of an upload's name, as UUIDs are written.
fn is_id(id: &str) -> bool {
    let hyphen = |i: usize| matches!(i, 8 | 13 | 18 | 23);
    id.len() == 36 && id.bytes().enumerate().all(|(i, b)| if hyphen(i) { b == b'-' } else { b.is_ascii_hexdigit() })
}

/// A random UUID (RFC 9562, version 4).
fn new_id(mut bytes: [u8; 16]) -> String {
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex = hex::encode(bytes);
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}

impl Upload {
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// How many bytes there are.
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    pub(crate) fn append(&mut self, bytes: &[u8]) -> Result<(), RegistryError> {
        self.file.write_all(bytes).map_err(RegistryError::file(&self.dir, "write"))?;
        self.offset += bytes.len() as u64;
        if let Some(hasher) = &mut self.hasher {
            hasher.update(bytes);
        }
        Ok(())
    }

    /// Moves the blob into the store and links it to the repository, if it has the digest `wanted`. Otherwise nothing
    /// of it stays.
    pub(crate) fn finish(mut self, wanted: &Digest, what: &str) -> Result<(), RegistryError> {
        let got = match self.hasher.take() {
            Some(hasher) if hasher.algorithm() == wanted.algorithm() => hasher.finish(),
            _ => self.hash_file(wanted.algorithm())?,
        };
        if got != *wanted {
            let error = RegistryError::DigestMismatch {
                what: what.to_owned(),
                wanted: wanted.to_string(),
                got: got.to_string(),
            };
            self.discard();
            return Err(error);
        }
        let target = self.store.layout.blob(wanted);
        // One of another size is what a bad disk left.
        if self.store.keep(&target)? != Some(self.offset) {
            // The last byte may have come long ago; from now on the blob is relied on.
            let young = self.file.set_modified(SystemTime::now()).and_then(|()| self.file.sync_all());
            young.map_err(RegistryError::file(&self.dir, "write"))?;
            durable::rename(&self.dir.join("data"), &target).map_err(RegistryError::file(&target, "write"))?;
        }
        self.store.link_blob(&self.repository, wanted)?;
        self.discard();
        Ok(())
    }

    /// Forgets the upload.
    pub(crate) fn discard(self) {
        discard(&self.dir);
    }

    fn hash_file(&self, algorithm: Algorithm) -> Result<Digest, RegistryError> {
        let data = self.dir.join("data");
        let read = || Ok(Digest::of_reader(algorithm, File::open(&data)?)?.0);
        read().map_err(RegistryError::file(&data, "read"))
    }
}

/// The folder of uploads goes with the last of them.
fn discard(dir: &Path) {
    let _ = fs::remove_dir_all(dir);
    if let Some(uploads) = dir.parent() {
        let _ = fs::remove_dir(uploads);
    }
}
