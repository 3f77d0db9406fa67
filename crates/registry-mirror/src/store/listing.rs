//! What the store holds, by name.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use serde::Serialize;

use super::{Manifest, Store, portable};
use crate::digest::Algorithm;
use crate::{Digest, RegistryError, Repository, Tag};

/// A repository and its tags.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CatalogEntry {
    /// Its name.
    pub repository: String,
    /// Its tags, sorted.
    pub tags: Vec<TaggedImage>,
}

/// What a tag points to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TaggedImage {
    /// The tag.
    pub tag: String,
    /// The manifest's digest.
    pub digest: String,
    /// The manifest's media type.
    pub media_type: String,
    /// Bytes of manifest, config and layers; of an index, of all its manifests that are here.
    pub size: u64,
}

impl Store {
    /// Every repository with its tags, sorted by name.
    ///
    /// # Errors
    /// [`RegistryError::File`] for a store that cannot be read.
    pub fn catalog(&self) -> Result<Vec<CatalogEntry>, RegistryError> {
        let mut entries = Vec::new();
        for repository in self.repositories()? {
            let mut tags = Vec::new();
            for tag in self.tags(&repository)? {
                let Some(digest) = self.resolve(&repository, &tag)? else { continue };
                let bytes = self.manifest(&repository, &digest)?.unwrap_or_default();
                let manifest = Manifest::parse(&bytes).ok();
                let media_type = manifest.as_ref().map(|m| m.media_type.clone()).unwrap_or_default();
                let size = bytes.len() as u64 + manifest.map_or(0, |m| self.size_below(&repository, &m));
                tags.push(TaggedImage { tag: tag.to_string(), digest: digest.to_string(), media_type, size });
            }
            entries.push(CatalogEntry { repository: repository.to_string(), tags });
        }
        Ok(entries)
    }

    /// Names of all repositories, sorted.
    pub(crate) fn repositories(&self) -> Result<Vec<Repository>, RegistryError> {
        self.repositories_with(&["_manifests"])
    }

    /// Names of all folders of repositories that have one of these parts, sorted.
    pub(super) fn repositories_with(&self, parts: &[&str]) -> Result<Vec<Repository>, RegistryError> {
        let mut found = Vec::new();
        find_repositories(&self.layout.repositories(), "", parts, &mut found)?;
        found.sort();
        found.dedup();
        Ok(found)
    }

    /// Tags of a repository, sorted; none for a repository that is not there.
    pub(crate) fn tags(&self, repository: &Repository) -> Result<Vec<Tag>, RegistryError> {
        let names = names(&self.layout.tags(repository))?;
        let mut tags: Vec<Tag> = names.iter().filter_map(|name| portable::decode(name)?.parse().ok()).collect();
        tags.retain(|tag| self.layout.tag_link(repository, tag).exists());
        tags.sort();
        tags.dedup();
        Ok(tags)
    }

    /// Whether anything was ever pushed to a repository.
    pub(crate) fn has_repository(&self, repository: &Repository) -> bool {
        self.layout.repository(repository).join("_manifests").is_dir()
    }

    fn size_below(&self, repository: &Repository, manifest: &Manifest) -> u64 {
        let blobs: u64 = manifest.blobs().iter().map(|b| b.size).sum();
        let children = manifest.children().iter().filter_map(|child| {
            let bytes = self.manifest(repository, &child.digest().ok()?).ok()??;
            Some(child.size + self.size_below(repository, &Manifest::parse(&bytes).ok()?))
        });
        blobs + children.sum::<u64>()
    }
}

/// The digests for which a folder has a folder, `<algorithm>/<hex>`, sorted.
pub(super) fn digests(dir: &Path) -> Result<Vec<Digest>, RegistryError> {
    let mut found = Vec::new();
    for algorithm in [Algorithm::Sha256, Algorithm::Sha512] {
        let names = names(&dir.join(algorithm.name()))?;
        found.extend(names.iter().filter_map(|hex| format!("{}:{hex}", algorithm.name()).parse::<Digest>().ok()));
    }
    Ok(found)
}

/// Names in a folder, sorted; none for a folder that is not there.
pub(super) fn names(dir: &Path) -> Result<Vec<String>, RegistryError> {
    let entries = match fs::read_dir(dir) {
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.map_err(RegistryError::file(dir, "read"))?,
    };
    let mut names = Vec::new();
    for entry in entries {
        names.push(entry.map_err(RegistryError::file(dir, "read"))?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

fn find_repositories(dir: &Path, name: &str, parts: &[&str], found: &mut Vec<Repository>) -> Result<(), RegistryError> {
    for child in names(dir)? {
        if parts.contains(&child.as_str()) {
            found.extend(name.parse::<Repository>().ok());
        } else if !child.starts_with(['_', '.']) && dir.join(&child).is_dir() {
            let Some(component) = portable::decode(&child) else { continue };
            let deeper = if name.is_empty() { component.into_owned() } else { format!("{name}/{component}") };
            find_repositories(&dir.join(&child), &deeper, parts, found)?;
        }
    }
    Ok(())
}
