//! Hashes that need not be computed twice.

use std::collections::BTreeMap;
use std::fs::{self, Metadata};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::artifact::{compare, hash, open};
use crate::{Artifact, ArtifactError};

/// A file that changed this recently may change again without a new time stamp.
const STILL_WARM: Duration = Duration::from_secs(2);

/// The SHA-256 of files that were hashed before, kept in one small file. A verdict holds while the file's size and
/// time of change are the same. It is a cache: without it, or with a damaged one, files are hashed again.
#[derive(Debug)]
pub struct Verdicts {
    path: PathBuf,
    known: BTreeMap<PathBuf, Verdict>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Verdict {
    size: u64,
    modified: u128,
    sha256: String,
}

impl Verdicts {
    /// Reads the cache file, if it is there.
    pub fn open(path: &Path) -> Self {
        let text = fs::read(path).unwrap_or_default();
        Self { path: path.to_owned(), known: serde_json::from_slice(&text).unwrap_or_default() }
    }

    /// Like [`check`](crate::check), but reads a file only when it changed since the last time.
    ///
    /// # Errors
    /// Those of [`check`](crate::check); failing to keep the verdict is none.
    pub fn check(&mut self, name: &str, path: &Path, sha256: Option<&str>) -> Result<Artifact, ArtifactError> {
        let mut file = open(name, path)?;
        let key = fs::canonicalize(path).map_err(ArtifactError::file(path, "read"))?;
        let metadata = file.metadata().map_err(ArtifactError::file(path, "read"))?;
        let (size, modified) = (metadata.len(), modified(&metadata));
        let known = self.known.get(&key).filter(|v| (v.size, v.modified) == (size, modified));
        let got = match known {
            Some(verdict) => verdict.sha256.clone(),
            None => {
                let (got, _) = hash(&mut file).map_err(ArtifactError::file(path, "read"))?;
                if is_cold(&metadata) {
                    self.known.insert(key, Verdict { size, modified, sha256: got.clone() });
                    self.keep();
                }
                got
            }
        };
        compare(name, &path.display().to_string(), sha256, &got)?;
        Ok(Artifact::verified(path, size, got))
    }

    /// The SHA-256 of a file that was hashed before and did not change since.
    pub(crate) fn known(&self, path: &Path) -> Option<&str> {
        let verdict = self.known.get(&fs::canonicalize(path).ok()?)?;
        let metadata = fs::metadata(path).ok()?;
        ((verdict.size, verdict.modified) == (metadata.len(), modified(&metadata))).then_some(&*verdict.sha256)
    }

    /// Remembers the SHA-256 of files that were hashed elsewhere since `began`.
    pub(crate) fn learn(&mut self, began: SystemTime, hashed: impl Iterator<Item = (PathBuf, String)>) {
        for (path, sha256) in hashed {
            let (Ok(key), Ok(metadata)) = (fs::canonicalize(&path), fs::metadata(&path)) else { continue };
            let untouched = metadata.modified().is_ok_and(|then| then + STILL_WARM < began);
            if untouched {
                self.known.insert(key, Verdict { size: metadata.len(), modified: modified(&metadata), sha256 });
            }
        }
        self.keep();
    }

    fn keep(&self) {
        let dir = self.path.parent().unwrap_or(Path::new("."));
        let write = || -> std::io::Result<()> {
            fs::create_dir_all(dir)?;
            let mut file = tempfile::NamedTempFile::new_in(dir)?;
            file.write_all(&serde_json::to_vec_pretty(&self.known)?)?;
            file.persist(&self.path)?;
            Ok(())
        };
        // Only time is lost when it cannot be kept.
        let _ = write();
    }
}

fn modified(metadata: &Metadata) -> u128 {
    metadata.modified().ok().and_then(|t| t.duration_since(UNIX_EPOCH).ok()).map_or(0, |d| d.as_nanos())
}

fn is_cold(metadata: &Metadata) -> bool {
    metadata.modified().ok().and_then(|t| SystemTime::now().duration_since(t).ok()).is_some_and(|age| age > STILL_WARM)
}
