//! A pin becomes a file.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use steps::Sink;

use crate::artifact::{compare, hash, open};
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

/// Brings the file of a pin to `target`, and says whether it had to: from another path among its sources, or from its
/// addresses in their order, going on where an earlier download broke off. A file that lies at `target` and is another
/// one stays, as an error. Nothing that fails verification is kept.
///
/// A program installs a rustls provider before it calls this.
///
/// # Errors
/// An [`ArtifactError`]; where several sources fail, that of the last.
pub async fn fetch(
    pin: &Pin,
    target: &Path,
    store: &Store,
    sink: &dyn Sink,
) -> Result<(Artifact, bool), ArtifactError> {
    if target.try_exists().map_err(ArtifactError::file(target, "read"))? {
        return Ok((in_place(pin, store, target)?, false));
    }
    let mut last = None;
    for path in pin.paths().filter(|path| path != target) {
        match in_place(pin, store, &path).and_then(|found| copy(pin, &found, target)) {
            Ok(artifact) => return Ok((artifact, true)),
            Err(error) => last = Some(error),
        }
    }
    for url in pin.addresses() {
        match download::to(target, pin, url, store.ca_pem.as_deref(), sink).await {
            Ok(artifact) => return Ok((artifact, true)),
            Err(error) => last = Some(error),
        }
    }
    Err(last.unwrap_or(ArtifactError::Missing { name: pin.name.clone(), path: target.to_owned() }))
}

/// Copies by way of a temporary file; what was copied is what is verified.
fn copy(pin: &Pin, found: &Artifact, target: &Path) -> Result<Artifact, ArtifactError> {
    let write = || ArtifactError::file(target, "write");
    let dir = target.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(dir).map_err(write())?;
    let temporary = tempfile::NamedTempFile::new_in(dir).map_err(write())?;
    let mut source = open(&pin.name, found.path())?;
    std::io::copy(&mut source, &mut temporary.as_file()).map_err(write())?;
    let (got, size) = hash(&mut temporary.reopen().map_err(write())?).map_err(write())?;
    compare(&pin.name, &found.path().display().to_string(), Some(&pin.sha256), &got)?;
    temporary.as_file().sync_all().map_err(write())?;
    temporary.persist(target).map_err(|e| write()(e.error))?;
    Ok(Artifact::verified(target, size, got))
}

/// Looks whether the file at `path` is that of a pin; a file that did not change since is not read again.
///
/// # Errors
/// [`ArtifactError::Missing`], [`ArtifactError::WrongSize`], [`ArtifactError::WrongDigest`], [`ArtifactError::File`].
pub fn check_pin(pin: &Pin, path: &Path, verdicts: &mut Verdicts) -> Result<Artifact, ArtifactError> {
    size_fits(pin, path)?;
    verdicts.check(&pin.name, path, Some(&pin.sha256))
}

fn size_fits(pin: &Pin, path: &Path) -> Result<(), ArtifactError> {
    let size = fs::metadata(path).ok().filter(fs::Metadata::is_file).map(|m| m.len());
    match size.filter(|size| *size != pin.size) {
        None => Ok(()),
        Some(got) => {
            let (name, origin) = (pin.name.clone(), path.display().to_string());
            Err(ArtifactError::WrongSize { name, origin, wanted: pin.size, got })
        }
    }
}

fn in_place(pin: &Pin, store: &Store, path: &Path) -> Result<Artifact, ArtifactError> {
    size_fits(pin, path)?;
    store.check(&pin.name, path, &pin.sha256)
}
