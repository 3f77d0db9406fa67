//! Where the files of a lab come from.

use std::path::{Path, PathBuf};

use artifacts::Verdicts;
use lab::Artifacts;
use serde::{Deserialize, Serialize};

use crate::{AirlabError, Carried, Failure};

/// One file, and what it must hash to where that is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// The file.
    pub path: PathBuf,
    /// Its SHA-256, 64 hexadecimal digits; what it must be, or what [`Sources::check`] found.
    pub sha256: Option<String>,
}

/// The files a lab is made from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sources {
    /// The installer ISO.
    pub iso: Source,
    /// The k3s program.
    pub k3s: Source,
    /// k3s's air-gap images, a tar or tar.gz.
    pub airgap: Source,
    /// Images for the registry: reference and archive.
    pub images: Vec<(String, PathBuf)>,
    /// One line for each part that only stands in for the real one.
    pub stand_ins: Vec<String>,
    /// The bundle that everything came in; its images are still in it.
    pub bundle: Option<Carried>,
}

impl Sources {
    /// The files a lab file names; `None` where it asks for a bundle or the offline stand-ins, which the caller opens
    /// or makes.
    pub fn named(artifacts: &Artifacts) -> Option<Self> {
        let Artifacts::Files { iso, iso_sha256, k3s, k3s_sha256, airgap, airgap_sha256, images } = artifacts else {
            return None;
        };
        let pin = |path: &PathBuf, sha256: &Option<String>| Source { path: path.clone(), sha256: sha256.clone() };
        Some(Self {
            iso: pin(iso, iso_sha256),
            k3s: pin(k3s, k3s_sha256),
            airgap: pin(airgap, airgap_sha256),
            images: images.as_deref().map(archives).unwrap_or_default(),
            stand_ins: Vec::new(),
            bundle: None,
        })
    }

    /// Checks that every file is there and hashes to what it must, and that the installer can be read as one; says
    /// which one does not. Files whose hash is among `verdicts` and that did not change since are not read again.
    pub fn check(&mut self, verdicts: &mut Verdicts) -> Result<(), Failure> {
        let files = [("installer", &mut self.iso), ("k3s", &mut self.k3s), ("air-gap images", &mut self.airgap)];
        for (name, source) in files {
            let found = verdicts.check(name, &source.path, source.sha256.as_deref())?;
            source.sha256 = Some(found.sha256().to_owned());
        }
        seed_iso::inspect(&self.iso.path)?;
        for (_, path) in &self.images {
            std::fs::metadata(path).map_err(|source| AirlabError::File {
                path: path.clone(),
                action: "not read",
                source,
            })?;
        }
        Ok(())
    }
}

/// The archives of a folder, by name; the reference of each is what the archive itself says.
fn archives(folder: &Path) -> Vec<(String, PathBuf)> {
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    files.retain(|p| p.extension().is_some_and(|e| e == "tar" || e == "gz"));
    files.sort();
    files.into_iter().map(|p| (p.file_name().unwrap_or_default().to_string_lossy().into_owned(), p)).collect()
}
