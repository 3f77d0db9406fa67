//! From a path to a manifest that somebody trusted has signed.

use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use super::manifest::LONGEST;
use super::{BundleError, Manifest, Trust};
use crate::artifact::sha256_hex;

/// A bundle of which the manifest was read and its signature checked; nothing else yet.
#[derive(Debug, Clone)]
pub struct Bundle {
    pub(super) dir: PathBuf,
    path: PathBuf,
    manifest: Manifest,
    sha256: String,
    signed_by: Option<String>,
    pub(super) base: Option<Box<Bundle>>,
}

impl Bundle {
    /// Reads the manifest of the bundle at `path`: the manifest itself, any of its parts, or a folder with one bundle.
    /// The bundle that it adds to is taken along where it lies beside it.
    ///
    /// # Errors
    /// [`BundleError::NotABundle`], [`BundleError::NotTrusted`], [`BundleError::Artifact`] for what cannot be read.
    pub fn open(path: &Path, trust: &Trust) -> Result<Self, BundleError> {
        let path = manifest_of(path)?;
        let dir = path.parent().unwrap_or(Path::new(".")).to_owned();
        let not_a_bundle = |why: String| BundleError::NotABundle { path: path.clone(), why };
        let bytes = read(&path, LONGEST)?.ok_or_else(|| not_a_bundle("there is no such file".into()))?;
        if bytes.len() as u64 == LONGEST {
            return Err(not_a_bundle(format!("the manifest has more than {LONGEST} bytes")));
        }
        // Before a byte of it is believed.
        let signed_by = signed_by(&path, &bytes, trust)?;
        let manifest = Manifest::parse(&bytes).map_err(not_a_bundle)?;
        let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if file != format!("{}.airbundle.json", manifest.name) {
            return Err(not_a_bundle(format!("it is the manifest of {}", manifest.name)));
        }
        let mut bundle = Self { dir, path, manifest, sha256: sha256_hex(&bytes), signed_by, base: None };
        if let Some(base) = &bundle.manifest.base {
            let beside = bundle.dir.join(format!("{}.airbundle.json", base.name));
            // Another bundle of that name is as good as none.
            if base.name != bundle.manifest.name && beside.exists() {
                let found = Self::open(&beside, trust).ok().filter(|found| found.sha256 == base.manifest);
                bundle.base = found.map(Box::new);
            }
        }
        Ok(bundle)
    }

    /// The same bundle with the one that it adds to, from elsewhere.
    ///
    /// # Errors
    /// [`BundleError::BaseMissing`] where that is not the one.
    pub fn with_base(mut self, base: Self) -> Result<Self, BundleError> {
        match &self.manifest.base {
            Some(wanted) if wanted.manifest == base.sha256 => {
                self.base = Some(Box::new(base));
                Ok(self)
            }
            _ => Err(self.base_missing(self.manifest.elsewhere.len())),
        }
    }

    /// The file of the manifest.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What it holds.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The SHA-256 of the manifest: the bundle's identity.
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// The fingerprint of the key that vouches for it; `None` where that was not asked.
    pub fn signed_by(&self) -> Option<&str> {
        self.signed_by.as_deref()
    }

    /// The error of everything that the base should have and nobody has.
    pub fn base_missing(&self, blobs: usize) -> BundleError {
        let base = self.manifest.base.as_ref();
        let base = base.map_or_else(|| "no other".into(), |b| format!("{} ({})", b.name, &b.manifest[..12]));
        BundleError::BaseMissing { bundle: self.manifest.name.clone(), base, blobs }
    }

    pub(super) fn parts_have_their_sizes(&self) -> bool {
        let size = |file: &str| fs::metadata(self.dir.join(file)).ok().filter(fs::Metadata::is_file).map(|m| m.len());
        self.manifest.parts.iter().all(|part| size(&part.file) == Some(part.size))
    }
}

fn signed_by(path: &Path, bytes: &[u8], trust: &Trust) -> Result<Option<String>, BundleError> {
    let Trust::Key(key) = trust else { return Ok(None) };
    let not_trusted = |why: String| BundleError::NotTrusted { path: path.to_owned(), why };
    let signature = read(&path.with_extension("sig"), 1 << 12)?;
    let signature = signature.ok_or_else(|| not_trusted("there is no signature beside it".into()))?;
    key.check(bytes, &String::from_utf8_lossy(&signature)).map_err(not_trusted)?;
    Ok(Some(key.fingerprint()))
}

/// At most `most` bytes of a file; `None` where there is no such file.
fn read(path: &Path, most: u64) -> Result<Option<Vec<u8>>, BundleError> {
    let mut bytes = Vec::new();
    match File::open(path).and_then(|file| file.take(most).read_to_end(&mut bytes)) {
        Ok(_) => Ok(Some(bytes)),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
        Err(e) => Err(BundleError::file(path, "read")(e)),
    }
}

fn manifest_of(path: &Path) -> Result<PathBuf, BundleError> {
    if path.is_dir() {
        let mut found = super::create::manifests_in(path);
        return match found.len() {
            1 => Ok(found.remove(0)),
            n => {
                let why = format!("the folder holds {n} bundles; name the manifest of one");
                Err(BundleError::NotABundle { path: path.to_owned(), why })
            }
        };
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let stem = name.find(".airbundle").map_or(&*name, |at| &name[..at]);
    Ok(path.with_file_name(format!("{stem}.airbundle.json")))
}
