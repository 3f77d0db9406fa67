//! A pin becomes a file.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use steps::Sink;

use crate::{Artifact, ArtifactError, Pin, Verdicts, download};

/// Where downloads are kept, by content: `DIR/<sha256>`.
#[derive(Debug)]
pub struct Store {
    dir: PathBuf,
    verdicts: Mutex<Verdicts>,
    ca_pem: Option<String>,
}

impl Store {
    /// A store in `dir`, which is made when something is kept.
    pub fn new(dir: &Path) -> Self {
        let verdicts = Mutex::new(Verdicts::open(&dir.join("verdicts.json")));
        Self { dir: dir.to_owned(), verdicts, ca_pem: None }
    }

    /// The same store, which trusts the CA `pem` and no other when it downloads.
    pub fn trusting(mut self, pem: impl Into<String>) -> Self {
        self.ca_pem = Some(pem.into());
        self
    }

    /// Where the file with this hash is kept.
    pub(crate) fn place(&self, sha256: &str) -> PathBuf {
        self.dir.join(sha256)
    }

    pub(crate) fn check(&self, name: &str, path: &Path, sha256: &str) -> Result<Artifact, ArtifactError> {
        let mut verdicts = self.verdicts.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        verdicts.check(name, path, Some(sha256))
    }
}

/// The file of a pin: a path among its sources that holds it is used in place; else what the store has; else it is
/// downloaded, going on where an earlier download broke off. Nothing that fails verification is kept.
///
/// A program installs a rustls provider before it calls this.
///
/// # Errors
/// An [`ArtifactError`]; where several sources fail, that of the last.
pub async fn ensure(pin: &Pin, store: &Store, sink: &dyn Sink) -> Result<Artifact, ArtifactError> {
    let kept = store.dir.join(pin.sha256.to_ascii_lowercase());
    let mut last = None;
    for path in pin.paths() {
        match in_place(pin, store, &path) {
            Ok(artifact) => return Ok(artifact),
            Err(error) => last = Some(error),
        }
    }
    match in_place(pin, store, &kept) {
        Ok(artifact) => return Ok(artifact),
        // A damaged file of our own is fetched again.
        Err(ArtifactError::WrongDigest { .. } | ArtifactError::WrongSize { .. }) => {
            fs::remove_file(&kept).map_err(ArtifactError::file(&kept, "write"))?;
        }
        Err(_) => {}
    }
    for url in pin.addresses() {
        match download::to(&kept, pin, url, store.ca_pem.as_deref(), sink).await {
            Ok(artifact) => return Ok(artifact),
            Err(error) => last = Some(error),
        }
    }
    Err(last.unwrap_or(ArtifactError::Missing { name: pin.name.clone(), path: kept }))
}

fn in_place(pin: &Pin, store: &Store, path: &Path) -> Result<Artifact, ArtifactError> {
    let size = fs::metadata(path).ok().filter(fs::Metadata::is_file).map(|m| m.len());
    if let Some(got) = size.filter(|size| *size != pin.size) {
        let (name, origin) = (pin.name.clone(), path.display().to_string());
        return Err(ArtifactError::WrongSize { name, origin, wanted: pin.size, got });
    }
    store.check(&pin.name, path, &pin.sha256)
}
