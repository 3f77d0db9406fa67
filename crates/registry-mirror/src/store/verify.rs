//! Reading everything once more.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Serialize;

use super::listing::{digests, names};
use super::{Manifest, Store};
use crate::digest::Algorithm;
use crate::{Digest, RegistryError, Repository};

/// One thing that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(tag = "finding", rename_all = "snake_case")]
pub enum Finding {
    /// A blob's content is not what its digest says.
    Damaged {
        /// The digest in its path.
        digest: String,
        /// The digest of its content.
        got: String,
        /// Who uses it: `repository@digest` of every manifest that names it, or is it.
        used_by: Vec<String>,
    },
    /// A manifest names a blob that is not there, a tag names a manifest that is not, or a repository has a blob of
    /// which the content is gone.
    Missing {
        /// Who needs it: `repository:tag`, `repository@digest` or `repository`.
        needed_by: String,
        /// The digest that is missing.
        digest: String,
    },
    /// A tag's file does not hold a digest.
    BadLink {
        /// `repository:tag`.
        tag: String,
    },
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Damaged { digest, used_by, .. } if used_by.is_empty() => write!(f, "{digest} is damaged"),
            Self::Damaged { digest, used_by, .. } => write!(f, "{digest} is damaged ({})", used_by.join(", ")),
            Self::Missing { needed_by, digest } => write!(f, "{needed_by} needs {digest}"),
            Self::BadLink { tag } => write!(f, "{tag} holds no digest"),
        }
    }
}

/// What [`Store::verify`] saw.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Verified {
    /// How many blobs were read.
    pub blobs: usize,
    /// How many bytes.
    pub bytes: u64,
    /// What is wrong, sorted. Empty when all is well.
    pub findings: BTreeSet<Finding>,
}

/// Digest in the path and digest of the content of blobs that are damaged, with their users.
type Damage = BTreeMap<Digest, (Digest, BTreeSet<String>)>;

impl Store {
    /// Hashes every blob and follows every tag, manifest and link. Blocks for as long as reading the whole store takes.
    /// An index may name manifests that are not here (other platforms); a manifest must have its config and layers.
    ///
    /// # Errors
    /// [`RegistryError::File`] for a store that cannot be read.
    pub fn verify(&self) -> Result<Verified, RegistryError> {
        let mut seen = Verified::default();
        let mut damage = self.hash_all(&mut seen)?;
        for repository in self.repositories_with(&["_manifests", "_layers"])? {
            self.verify_repository(&repository, &mut damage, &mut seen.findings)?;
        }
        seen.findings.extend(damage.into_iter().map(|(digest, (got, used_by))| Finding::Damaged {
            digest: digest.to_string(),
            got: got.to_string(),
            used_by: used_by.into_iter().collect(),
        }));
        Ok(seen)
    }

    fn hash_all(&self, seen: &mut Verified) -> Result<Damage, RegistryError> {
        let mut damage = Damage::new();
        for algorithm in [Algorithm::Sha256, Algorithm::Sha512] {
            let dir = self.layout.blobs().join(algorithm.name());
            for prefix in names(&dir)? {
                for hex in names(&dir.join(prefix))? {
                    let Ok(digest) = format!("{}:{hex}", algorithm.name()).parse::<Digest>() else { continue };
                    // A folder without content is what is left of a lost blob; whoever needs it is found below.
                    let Ok(file) = self.open_blob(&digest) else { continue };
                    let path = self.layout.blob(&digest);
                    let (got, size) = Digest::of_reader(algorithm, file).map_err(RegistryError::file(&path, "read"))?;
                    seen.blobs += 1;
                    seen.bytes += size;
                    if got != digest {
                        damage.insert(digest, (got, BTreeSet::new()));
                    }
                }
            }
        }
        Ok(damage)
    }

    fn verify_repository(
        &self,
        repository: &Repository,
        damage: &mut Damage,
        findings: &mut BTreeSet<Finding>,
    ) -> Result<(), RegistryError> {
        let mut need = |digest: &Digest, needed_by: String, there: bool| {
            if let Some((_, users)) = damage.get_mut(digest) {
                users.insert(needed_by);
            } else if !there {
                findings.insert(Finding::Missing { needed_by, digest: digest.to_string() });
            }
        };
        let mut named = BTreeSet::new();
        for digest in digests(&self.layout.revisions(repository))? {
            let this = format!("{repository}@{digest}");
            if !self.has_manifest(repository, &digest) {
                continue;
            }
            need(&digest, this.clone(), self.blob_size(&digest).is_some());
            // A manifest that does not parse is a damaged blob, which is already a finding.
            let bytes = self.read_blob(&digest).ok();
            let Some(Ok(manifest)) = bytes.map(|bytes| Manifest::parse(&bytes)) else { continue };
            for blob in manifest.blobs() {
                let Ok(digest) = blob.digest() else { continue };
                need(&digest, this.clone(), self.repository_blob(repository, &digest).is_some());
                named.insert(digest);
            }
        }
        for digest in digests(&self.layout.layers(repository))? {
            let linked = self.layout.layer_link(repository, &digest).exists();
            if linked && !named.contains(&digest) && self.blob_size(&digest).is_none() {
                need(&digest, repository.to_string(), false);
            }
        }
        let mut bad = Vec::new();
        for tag in self.tags(repository)? {
            match self.resolve(repository, &tag) {
                Ok(Some(digest)) => {
                    let there = self.has_manifest(repository, &digest) && self.blob_size(&digest).is_some();
                    need(&digest, format!("{repository}:{tag}"), there);
                }
                Ok(None) => {}
                Err(_) => bad.push(Finding::BadLink { tag: format!("{repository}:{tag}") }),
            }
        }
        findings.extend(bad);
        Ok(())
    }
}
