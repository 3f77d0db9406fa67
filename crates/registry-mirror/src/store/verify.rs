//! Reading everything once more.

use std::collections::BTreeSet;

use serde::Serialize;

use super::listing::names;
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
    },
    /// A manifest names a blob that is not there, or a tag names a manifest that is not.
    Missing {
        /// Who needs it: `repository:tag` or `repository@digest`.
        needed_by: String,
        /// The digest that is missing.
        digest: String,
    },
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

impl Store {
    /// Hashes every blob and follows every tag. Blocks for as long as reading the whole store takes. An index may
    /// name manifests that are not here (other platforms); a manifest must have its config and layers.
    ///
    /// # Errors
    /// [`RegistryError::File`] for a store that cannot be read.
    pub fn verify(&self) -> Result<Verified, RegistryError> {
        let mut seen = Verified::default();
        for algorithm in [Algorithm::Sha256, Algorithm::Sha512] {
            let dir = self.layout.blobs().join(algorithm.name());
            for prefix in names(&dir)? {
                for hex in names(&dir.join(prefix))? {
                    let Ok(digest) = format!("{}:{hex}", algorithm.name()).parse::<Digest>() else { continue };
                    // A folder without content is what is left of a lost blob; whoever needs it is found below.
                    if self.blob_size(&digest).is_none() {
                        continue;
                    }
                    let file = self.open_blob(&digest)?;
                    let path = self.layout.blob(&digest);
                    let (got, size) = Digest::of_reader(algorithm, file).map_err(RegistryError::file(&path, "read"))?;
                    seen.blobs += 1;
                    seen.bytes += size;
                    if got != digest {
                        seen.findings.insert(Finding::Damaged { digest: digest.to_string(), got: got.to_string() });
                    }
                }
            }
        }
        for repository in self.repositories()? {
            for tag in self.tags(&repository)? {
                if let Some(digest) = self.resolve(&repository, &tag)? {
                    self.follow(&repository, &digest, &format!("{repository}:{tag}"), false, &mut seen.findings)?;
                }
            }
        }
        Ok(seen)
    }

    fn follow(
        &self,
        repository: &Repository,
        digest: &Digest,
        needed_by: &str,
        optional: bool,
        findings: &mut BTreeSet<Finding>,
    ) -> Result<(), RegistryError> {
        let missing = |digest: &str, by: &str| Finding::Missing { needed_by: by.to_owned(), digest: digest.to_owned() };
        let there = self.blob_size(digest).is_some();
        let Some(bytes) = self.manifest(repository, digest).ok().flatten().filter(|_| there) else {
            if !optional {
                findings.insert(missing(&digest.to_string(), needed_by));
            }
            return Ok(());
        };
        // A manifest that does not parse is a damaged blob, which is already a finding.
        let Ok(manifest) = Manifest::parse(&bytes) else { return Ok(()) };
        let this = format!("{repository}@{digest}");
        for blob in manifest.blobs() {
            let size = blob.digest().ok().and_then(|d| self.repository_blob(repository, &d));
            if size.is_none() {
                findings.insert(missing(&blob.digest, &this));
            }
        }
        for child in manifest.children() {
            if let Ok(child) = child.digest() {
                self.follow(repository, &child, &this, true, findings)?;
            }
        }
        Ok(())
    }
}
