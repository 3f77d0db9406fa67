//! The files of a bundle into a store, and the record of what was imported.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use steps::{Event, Sink};

use super::{Base, BundleError, BundledFile, Verified};
use crate::artifact::compare;
use crate::{Artifact, ArtifactError, Store};

const REPORT_EVERY: u64 = 64 << 20;

/// A file of a bundle in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// Its name in the lock.
    pub name: String,
    /// What it is for: `iso`, `k3s`, `airgap-images` ...
    pub kind: String,
    /// Its version.
    pub version: String,
    /// The file.
    pub artifact: Artifact,
    /// Whether it was written now.
    pub new: bool,
}

/// What is written down about an imported bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Receipt {
    /// Its name.
    pub bundle: String,
    /// The SHA-256 of its manifest.
    pub manifest: String,
    /// The bundle it adds to.
    pub base: Option<Base>,
    /// `checked` or `skipped`.
    pub signature: String,
    /// The fingerprint of the key that vouches for it.
    pub signed_by: Option<String>,
}

impl Receipt {
    /// What is to be written down about a bundle.
    pub fn of(bundle: &Verified) -> Self {
        let signed_by = bundle.bundle().signed_by().map(str::to_owned);
        Self {
            bundle: bundle.manifest().name.clone(),
            manifest: bundle.bundle().sha256().to_owned(),
            base: bundle.manifest().base.clone(),
            signature: if signed_by.is_some() { "checked" } else { "skipped" }.into(),
            signed_by,
        }
    }
}

impl Store {
    /// Whether the store has this file of a bundle, hashed where that is not known.
    pub fn has(&self, file: &BundledFile) -> bool {
        let path = self.place(&file.sha256);
        let right = fs::metadata(&path).is_ok_and(|m| m.is_file() && m.len() == file.size);
        right && self.check(&file.name, &path, &file.sha256).is_ok()
    }

    /// Takes the files of a bundle into the store; those it has are left alone. Every byte is hashed on its way, and a
    /// file is there whole or not at all.
    ///
    /// # Errors
    /// [`BundleError::BaseMissing`] for a file that only the absent base has; [`BundleError::Artifact`] for one that cannot
    /// be written, or changed since the bundle was verified.
    pub fn take(&self, bundle: &Verified, sink: &dyn Sink) -> Result<Vec<Kept>, BundleError> {
        let mut kept = Vec::new();
        for file in &bundle.manifest().files {
            let new = !self.has(file);
            if new {
                self.take_file(bundle, file, sink)?;
            }
            let path = self.place(&file.sha256);
            let artifact = Artifact::verified(&path, file.size, file.sha256.clone());
            let (name, kind, version) = (file.name.clone(), file.kind.clone(), file.version.clone());
            kept.push(Kept { name, kind, version, artifact, new });
        }
        Ok(kept)
    }

    /// Writes down that a bundle was imported; says whether that is news.
    ///
    /// # Errors
    /// [`BundleError::Artifact`] where it cannot be written.
    pub fn write_down(&self, receipt: &Receipt) -> Result<bool, BundleError> {
        let path = self.place("bundles").join(format!("{}.json", receipt.manifest));
        let mut text = serde_json::to_vec_pretty(receipt).expect("strings are always JSON");
        text.push(b'\n');
        machine::write_file(&path, &text, 0o644).map_err(|e| BundleError::file(&path, "write")(e.source))
    }

    fn take_file(&self, bundle: &Verified, file: &BundledFile, sink: &dyn Sink) -> Result<(), BundleError> {
        let target = self.place(&file.sha256);
        let write = || BundleError::file(&target, "write");
        let dir = target.parent().map(PathBuf::from).unwrap_or_default();
        fs::create_dir_all(&dir).map_err(write())?;
        let mut content = bundle.open(&file.sha256).ok_or_else(|| bundle.bundle().base_missing(1))?;
        let mut temporary = tempfile::NamedTempFile::new_in(&dir).map_err(write())?;
        let (mut hasher, mut done, mut told) = (Sha256::new(), 0, 0);
        let mut buffer = vec![0; 1 << 18];
        loop {
            let read = content.read(&mut buffer).map_err(BundleError::file(bundle.bundle().path(), "read"))?;
            if read == 0 {
                break;
            }
            hasher.update(&buffer[..read]);
            temporary.write_all(&buffer[..read]).map_err(write())?;
            done += read as u64;
            if done - told >= REPORT_EVERY {
                told = done;
                let total = Some(file.size);
                sink.emit(Event::Progress { step: file.name.clone(), done, total, unit: "bytes" });
            }
        }
        let origin = bundle.bundle().path().display().to_string();
        compare(&file.name, &origin, Some(&file.sha256), &hex::encode(hasher.finalize()))?;
        readable(temporary.as_file()).and_then(|()| temporary.as_file().sync_all()).map_err(write())?;
        temporary.persist(&target).map_err(|e| ArtifactError::file(&target, "write")(e.error))?;
        Ok(())
    }
}

/// Temporary files are their owner's only; these are read by the programs of other users too.
#[cfg(unix)]
fn readable(file: &File) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    file.set_permissions(fs::Permissions::from_mode(0o644))
}

#[cfg(not(unix))]
fn readable(_: &File) -> std::io::Result<()> {
    Ok(())
}
