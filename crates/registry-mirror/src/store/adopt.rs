//! A file that is a blob already.

use std::fs::{self, File};
use std::path::Path;
use std::time::SystemTime;

use super::{Store, durable};
use crate::{Digest, RegistryError, Repository};

impl Store {
    /// Takes a file over as a blob of a repository; it is moved where it is on the same file system. The caller has
    /// checked that `digest` is the digest of its content and holds it open as `file`.
    pub(crate) fn adopt(
        &self,
        file: &File,
        path: &Path,
        repository: &Repository,
        digest: &Digest,
    ) -> Result<(), RegistryError> {
        let target = self.layout.blob(digest);
        let size = file.metadata().map_err(RegistryError::file(path, "read"))?.len();
        if self.keep(&target)? == Some(size) {
            let _ = fs::remove_file(path);
        } else {
            // The last byte may have come long ago; from now on the blob is relied on.
            let young = file.set_modified(SystemTime::now()).and_then(|()| file.sync_all());
            young.map_err(RegistryError::file(path, "write"))?;
            durable::rename(path, &target).map_err(RegistryError::file(&target, "write"))?;
        }
        self.link_blob(repository, digest)
    }
}
