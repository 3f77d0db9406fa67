//! Where the files of a lab come from.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use artifacts::{ArtifactError, Lock, Pin, Verdicts};
use lab::Artifacts;
use serde::{Deserialize, Serialize};

use crate::{AirlabError, Carried, Extra, Failure};

/// One file, and what it must hash to where that is known.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// The file.
    pub path: PathBuf,
    /// Bytes it must have, where the lock says so.
    #[serde(default)]
    pub size: Option<u64>,
    /// Its SHA-256, 64 hexadecimal digits; what it must be, or what [`Sources::check`] found.
    pub sha256: Option<String>,
}

impl Source {
    /// A file of which nothing is known.
    pub fn at(path: PathBuf) -> Self {
        Self { path, size: None, sha256: None }
    }
}

/// The files of a lab file by the names and kinds they have in a lock: installer, k3s, its air-gap images.
pub const PINNED: [(&str, &str); 3] = [("installer", "iso"), ("k3s", "k3s"), ("airgap-images", "airgap-images")];

/// KubeSphere's chart as it is called in a lock, and its kind.
pub const CHART: (&str, &str) = ("ks-core", "chart");

/// The pin of a file that the lab file names.
///
/// # Errors
/// [`ArtifactError::Unpinned`].
pub fn pinned<'l>(lock: &'l Lock, origin: &Path, name: &str) -> Result<&'l Pin, Failure> {
    let unpinned = || ArtifactError::Unpinned {
        name: name.to_owned(),
        by: "the lab file".into(),
        lock: origin.display().to_string(),
        how: format!("airlab artifacts lock --lock '{}'", origin.display()),
    };
    Ok(lock.find(name).ok_or_else(unpinned)?)
}

/// The files a lab is made from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sources {
    /// The installer ISO.
    pub iso: Source,
    /// The k3s program.
    pub k3s: Source,
    /// k3s's air-gap images, a tar, tar.gz or tar.zst.
    pub airgap: Source,
    /// Debian packages and programs for nodes.
    #[serde(default)]
    pub extras: Vec<Extra>,
    /// Images for the registry: reference and archive.
    pub images: Vec<(String, PathBuf)>,
    /// The lock that everything is held to, and the digests it gives to images.
    pub lock: Option<PathBuf>,
    /// Digests of images by their full names.
    pub digests: BTreeMap<String, String>,
    /// One line for each part that only stands in for the real one.
    pub stand_ins: Vec<String>,
    /// The bundle that everything came in; its images are still in it.
    pub bundle: Option<Carried>,
}

impl Sources {
    /// The files a lab file names; `None` where it asks for a bundle or the offline stand-ins, which the caller opens
    /// or makes.
    pub fn named(artifacts: &Artifacts) -> Option<Self> {
        let Artifacts::Files { iso, iso_sha256, k3s, k3s_sha256, airgap, airgap_sha256, images, .. } = artifacts else {
            return None;
        };
        let pin =
            |path: &PathBuf, sha256: &Option<String>| Source { sha256: sha256.clone(), ..Source::at(path.clone()) };
        Some(Self {
            lock: None,
            digests: BTreeMap::new(),
            iso: pin(iso, iso_sha256),
            k3s: pin(k3s, k3s_sha256),
            airgap: pin(airgap, airgap_sha256),
            extras: Vec::new(),
            images: images.as_deref().map(archives).unwrap_or_default(),
            stand_ins: Vec::new(),
            bundle: None,
        })
    }

    /// Holds every file to its pin in a lock, and takes the lock's packages and programs for nodes.
    ///
    /// # Errors
    /// [`ArtifactError::Unpinned`] for a file without one; [`ArtifactError::Lock`] where the lab file names another
    /// SHA-256 than the lock.
    pub fn hold_to(&mut self, origin: &Path, lock: &Lock) -> Result<(), Failure> {
        let files = [&mut self.iso, &mut self.k3s, &mut self.airgap];
        for ((name, _), source) in PINNED.into_iter().zip(files) {
            let pin = pinned(lock, origin, name)?;
            let pinned = pin.sha256.to_ascii_lowercase();
            if let Some(other) = source.sha256.as_ref().filter(|sha256| **sha256 != pinned) {
                let why = format!("{name} has the SHA-256 {pinned} here and {other} in the lab file");
                return Err(ArtifactError::Lock { origin: origin.display().to_string(), why }.into());
            }
            (source.size, source.sha256) = (Some(pin.size), Some(pinned));
        }
        self.take_extras(origin, lock)?;
        self.lock = Some(origin.to_owned());
        self.digests = lock.images.iter().map(|image| (image.name.clone(), image.digest.clone())).collect();
        Ok(())
    }

    /// Takes a lock's Debian packages and programs for nodes, each where the first of its sources is that is there.
    ///
    /// # Errors
    /// [`ArtifactError::Lock`] for one that cannot be called so.
    pub fn take_extras(&mut self, origin: &Path, lock: &Lock) -> Result<(), Failure> {
        self.extras.clear();
        for pin in &lock.artifacts {
            let path = pin.paths().find(|path| path.exists()).or_else(|| pin.paths().next()).unwrap_or_default();
            let source = Source { path, size: Some(pin.size), sha256: Some(pin.sha256.to_ascii_lowercase()) };
            let known = (&*pin.name, &*pin.kind, &*pin.version);
            self.extras.extend(Extra::of(&origin.display().to_string(), known, source)?);
        }
        Ok(())
    }

    /// Reads which images the archives hold, `scratch` taking compressed ones for a moment, and checks them: each in the
    /// lock, where there is one with images; all of `profile` there, where one is wanted.
    ///
    /// # Errors
    /// [`ArtifactError::Unpinned`], [`ArtifactError::Absent`], and what keeps an archive from being read.
    pub async fn name_images(&mut self, profile: Option<&str>, scratch: &Path) -> Result<(), Failure> {
        let mut named = Vec::new();
        for (label, path) in std::mem::take(&mut self.images) {
            if path.file_name().is_none_or(|name| name.to_string_lossy() != label) {
                named.push((label, path));
                continue;
            }
            let names = registry_mirror::names_in(&path, scratch).await?;
            if names.iter().any(String::is_empty) {
                named.push((label, path)); // it does not say what it holds
                continue;
            }
            named.extend(names.into_iter().map(|n| (registry_mirror::full_name(&n).unwrap_or(n), path.clone())));
        }
        self.images = named;
        let lock = self.lock.as_deref().filter(|_| !self.digests.is_empty());
        if let Some((lock, (name, path))) =
            lock.zip(self.images.iter().find(|(name, _)| !self.digests.contains_key(name)))
        {
            let (lock, folder) = (lock.display().to_string(), path.parent().unwrap_or(Path::new(".")).display());
            let how = format!("registry-mirror resolve --archives '{folder}' --lock '{lock}'");
            return Err(
                ArtifactError::Unpinned { name: name.clone(), by: path.display().to_string(), lock, how }.into()
            );
        }
        // a bundle was made from a lock; its images are in it
        let Some(profile) = profile.filter(|_| self.bundle.is_none()) else { return Ok(()) };
        let there: BTreeSet<&str> = self.images.iter().map(|(name, _)| name.as_str()).collect();
        let wanted = registry_mirror::Profile::named(profile)?;
        let wanted = wanted.select(&[])?;
        let absent: Vec<&str> = wanted.iter().map(|i| i.name.as_str()).filter(|name| !there.contains(name)).collect();
        if absent.is_empty() {
            return Ok(());
        }
        let folder = self.images.first().and_then(|(_, path)| path.parent()).map(|p| p.display().to_string());
        Err(ArtifactError::Absent {
            count: absent.len(),
            images: absent.join(", "),
            folder: folder.unwrap_or_else(|| "the folder of images".into()),
            profile: profile.to_owned(),
        }
        .into())
    }

    /// Checks that every file is there and hashes to what it must, and that each can be what it shall be; says which
    /// one does not. Files whose hash is among `verdicts` and that did not change since are not read again.
    pub fn check(&mut self, verdicts: &mut Verdicts) -> Result<(), Failure> {
        let files = [("installer", &mut self.iso), ("k3s", &mut self.k3s), ("air-gap images", &mut self.airgap)];
        for (name, source) in files {
            checked(name, source, verdicts)?;
        }
        for file in &mut self.extras {
            checked(&file.pin, &mut file.source, verdicts)?;
            artifacts::check_form(&file.pin, file.pin_kind(), &file.source.path)?;
        }
        seed_iso::inspect(&self.iso.path)?;
        artifacts::check_form("k3s", "k3s", &self.k3s.path)?;
        artifacts::Packing::of("air-gap images", &self.airgap.path)?;
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

/// Looks that a file has the size and the SHA-256 that it must have; keeps the one that it has.
fn checked(name: &str, source: &mut Source, verdicts: &mut Verdicts) -> Result<(), ArtifactError> {
    if let (Some(wanted), Ok(metadata)) = (source.size, std::fs::metadata(&source.path))
        && metadata.len() != wanted
    {
        let (name, origin, got) = (name.to_owned(), source.path.display().to_string(), metadata.len());
        return Err(ArtifactError::WrongSize { name, origin, wanted, got });
    }
    let found = verdicts.check(name, &source.path, source.sha256.as_deref())?;
    source.sha256 = Some(found.sha256().to_owned());
    Ok(())
}

/// The archives of a folder, by name; the reference of each is what the archive itself says.
fn archives(folder: &Path) -> Vec<(String, PathBuf)> {
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    files
        .retain(|p| p.extension().is_some_and(|e| ["tar", "gz", "tgz", "zst", "tzst"].iter().any(|known| e == *known)));
    files.sort();
    files.into_iter().map(|p| (p.file_name().unwrap_or_default().to_string_lossy().into_owned(), p)).collect()
}

#[cfg(test)]
mod tests {
    use artifacts::ImagePin;

    use super::*;

    fn lab() -> lab::Lab {
        let files = "source = \"files\"\niso = \"u.iso\"\nk3s = \"k3s\"\nairgap = \"a.tar\"";
        let text = lab::DEMO.replace("source = \"demo\"", files);
        lab::Lab::parse(Path::new("airlab.toml"), &text).unwrap()
    }

    fn pin(name: &str, sha256: char) -> Pin {
        let sha256 = sha256.to_string().repeat(64);
        Pin { name: name.into(), kind: "x".into(), version: "1".into(), size: 3, sha256, sources: vec![] }
    }

    fn id(result: Result<(), Failure>) -> &'static str {
        result.unwrap_err().problem().id()
    }

    #[test]
    fn s1_every_file_of_a_lab_is_held_to_the_lock() {
        let mut lock = Lock::default();
        let mut sources = Sources::named(&lab().artifacts).unwrap();
        for (name, _) in PINNED {
            assert_eq!(id(sources.hold_to(Path::new("airlab.lock"), &lock)), "AL-ART-010");
            lock.pin(pin(name, 'a'));
        }
        sources.hold_to(Path::new("airlab.lock"), &lock).unwrap();
        assert_eq!((sources.k3s.size, sources.k3s.sha256.clone()), (Some(3), Some("a".repeat(64))));
        lock.pin(pin("k3s", 'b'));
        assert_eq!(id(sources.hold_to(Path::new("airlab.lock"), &lock)), "AL-ART-005", "two say otherwise");
    }

    #[tokio::test]
    async fn s8_an_image_that_is_not_in_the_lock_is_named() {
        let mut sources = Sources::named(&lab().artifacts).unwrap();
        let image = |name: &str| (name.to_owned(), PathBuf::from("images/some.tar"));
        sources.images = vec![image("docker.io/library/nginx:1"), image("quay.io/a/b:2")];
        let mut lock = Lock::default();
        for (name, _) in PINNED {
            lock.pin(pin(name, 'a'));
        }
        let digest = format!("sha256:{}", "c".repeat(64));
        lock.pin_image(ImagePin { name: "docker.io/library/nginx:1".into(), digest, size: 1 });
        sources.hold_to(Path::new("airlab.lock"), &lock).unwrap();
        let failure = sources.name_images(None, &std::env::temp_dir()).await.unwrap_err();
        assert_eq!(failure.problem().args()[0], ("name", "quay.io/a/b:2".to_owned()));
        sources.images.pop();
        sources.name_images(None, &std::env::temp_dir()).await.unwrap();
        let failure = sources.name_images(Some("core"), &std::env::temp_dir()).await.unwrap_err();
        assert_eq!((failure.problem().id(), &*failure.problem().args()[0].1), ("AL-ART-011", "13"));
    }
}
