//! How writers and the collector of garbage stay out of each other's way, also in two processes.
//!
//! Who is about to rely on a file makes it young first; the collector removes only what is old, and looks at its age
//! once more behind a lock that both take for that moment. Nobody waits for the disk while holding it.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime};

use super::Store;
use crate::RegistryError;

/// A file this young is not made younger: most requests then write nothing.
const YOUNG: Duration = Duration::from_secs(1);

impl Store {
    /// The size of a file that will stay for as long as the collector's grace is, or none.
    pub(super) fn keep(&self, path: &Path) -> Result<Option<u64>, RegistryError> {
        let Ok(found) = fs::metadata(path) else { return Ok(None) };
        if age(&found) < YOUNG {
            return Ok(Some(found.len()));
        }
        let lease = self.lease().and_then(|file| file.lock_shared().map(|()| file));
        let Ok(found) = fs::metadata(path) else { return Ok(None) };
        // A folder that cannot be written is not collected either.
        let _ = File::options().write(true).open(path).and_then(|file| file.set_modified(SystemTime::now()));
        drop(lease);
        Ok(Some(found.len()))
    }

    /// Removes a file's folder, or the file, if the file is older than `grace`; says its size if so.
    pub(super) fn remove_old(&self, file: &Path, whole: &Path, grace: Duration) -> Result<Option<u64>, RegistryError> {
        let lease = self.lease().and_then(|lease| lease.lock().map(|()| lease));
        let _lease = lease.map_err(RegistryError::file(&self.layout.lease(), "write"))?;
        let Ok(found) = fs::metadata(file) else { return Ok(None) };
        if age(&found) < grace {
            return Ok(None);
        }
        fs::remove_file(file).map_err(RegistryError::file(file, "remove"))?;
        // Somebody may be writing there again.
        let _ = fs::remove_dir_all(whole);
        Ok(Some(found.len()))
    }

    fn lease(&self) -> io::Result<File> {
        File::options().create(true).truncate(false).write(true).open(self.layout.lease())
    }
}

pub(super) fn age(found: &fs::Metadata) -> Duration {
    found.modified().ok().and_then(|then| then.elapsed().ok()).unwrap_or_default()
}
