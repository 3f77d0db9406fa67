//! A blob on its way into the store.

use std::fs::{self, File};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

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
        let id = format!("{front}{}", crate::digest::to_hex(&random));
        let dir = uploads.join(&id);
        fs::create_dir_all(&dir).map_err(RegistryError::file(&dir, "write"))?;
        let data = dir.join("data");
        let file = File::create_new(&data).map_err(RegistryError::file(&data, "write"))?;
        let hasher = Some(Hasher::new(algorithm));
        Ok(Upload { store: self.clone(), repository: repository.clone(), id, dir, file, offset: 0, hasher })
    }

    /// An upload that was begun before.
    pub(crate) fn open_upload(&self, repository: &Repository, id: &str) -> Result<Option<Upload>, RegistryError> {
        if id.len() != 32 || !id.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Ok(None);
        }
        let dir = self.layout.uploads(repository).join(id);
        let data = dir.join("data");
        let mut file = match File::options().write(true).open(&data) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
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
        if !target.exists() {
            self.file.sync_all().map_err(RegistryError::file(&self.dir, "write"))?;
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
