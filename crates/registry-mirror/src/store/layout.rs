//! Where things are: the file layout of the reference registry (distribution/distribution, storage driver paths),
//! so that a stock `docker-registry` can serve the same folder.

use std::path::{Path, PathBuf};

use super::portable;
use crate::{Digest, Repository, Tag};

/// Paths below a store's root. Those over 260 characters are no matter on Windows: the standard library asks for them
/// in the long form.
#[derive(Debug, Clone)]
pub(super) struct Layout {
    v2: PathBuf,
    /// Whether names are written so that every file system keeps them apart.
    portable: bool,
}

impl Layout {
    pub(super) fn new(root: &Path, portable: bool) -> Self {
        Self { v2: root.join("docker/registry/v2"), portable }
    }

    pub(super) fn blobs(&self) -> PathBuf {
        self.v2.join("blobs")
    }

    pub(super) fn repositories(&self) -> PathBuf {
        self.v2.join("repositories")
    }

    /// Ours: locked for the moment in which garbage is removed.
    pub(super) fn lease(&self) -> PathBuf {
        self.v2.join("airlab.lock")
    }

    pub(super) fn blob(&self, digest: &Digest) -> PathBuf {
        let hex = digest.hex();
        self.blobs().join(digest.algorithm().name()).join(&hex[..2]).join(hex).join("data")
    }

    pub(super) fn repository(&self, repository: &Repository) -> PathBuf {
        repository.as_str().split('/').fold(self.repositories(), |dir, component| self.named(&dir, component))
    }

    pub(super) fn layers(&self, repository: &Repository) -> PathBuf {
        self.repository(repository).join("_layers")
    }

    pub(super) fn layer_link(&self, repository: &Repository, digest: &Digest) -> PathBuf {
        linked(&self.layers(repository), digest).join("link")
    }

    pub(super) fn uploads(&self, repository: &Repository) -> PathBuf {
        self.repository(repository).join("_uploads")
    }

    pub(super) fn revisions(&self, repository: &Repository) -> PathBuf {
        self.repository(repository).join("_manifests/revisions")
    }

    pub(super) fn revision(&self, repository: &Repository, digest: &Digest) -> PathBuf {
        linked(&self.revisions(repository), digest)
    }

    pub(super) fn revision_link(&self, repository: &Repository, digest: &Digest) -> PathBuf {
        self.revision(repository, digest).join("link")
    }

    /// Ours: the media type with which a manifest was pushed that does not name its own.
    pub(super) fn media_type(&self, repository: &Repository, digest: &Digest) -> PathBuf {
        self.revision(repository, digest).join("airlab-media-type")
    }

    pub(super) fn tags(&self, repository: &Repository) -> PathBuf {
        self.repository(repository).join("_manifests/tags")
    }

    pub(super) fn tag(&self, repository: &Repository, tag: &Tag) -> PathBuf {
        self.named(&self.tags(repository), tag.as_str())
    }

    pub(super) fn tag_link(&self, repository: &Repository, tag: &Tag) -> PathBuf {
        self.tag(repository, tag).join("current/link")
    }

    pub(super) fn tag_index_link(&self, repository: &Repository, tag: &Tag, digest: &Digest) -> PathBuf {
        linked(&self.tag(repository, tag).join("index"), digest).join("link")
    }

    /// Ours: one empty file per manifest that names the subject. The reference registry ignores the folder.
    pub(super) fn referrers(&self, repository: &Repository, subject: &Digest) -> PathBuf {
        linked(&self.repository(repository).join("_referrers"), subject)
    }

    pub(super) fn referrer(&self, repository: &Repository, subject: &Digest, manifest: &Digest) -> PathBuf {
        let name = format!("{}-{}", manifest.algorithm().name(), manifest.hex());
        self.referrers(repository, subject).join(name)
    }

    /// A component below a folder. What was written in the portable form is found everywhere.
    fn named(&self, dir: &Path, name: &str) -> PathBuf {
        let safe = portable::encode(name);
        let plain = dir.join(name);
        if safe == name {
            return plain;
        }
        let safe = dir.join(safe.as_ref());
        if self.portable || (!plain.exists() && safe.exists()) { safe } else { plain }
    }
}

fn linked(dir: &Path, digest: &Digest) -> PathBuf {
    dir.join(digest.algorithm().name()).join(digest.hex())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_from_windows_is_found_elsewhere() {
        let dir = tempfile::tempdir().unwrap();
        let (repository, tag) = ("aux/x".parse().unwrap(), "V1".parse().unwrap());
        let there = Layout::new(dir.path(), true).tag(&repository, &tag);
        let here = Layout::new(dir.path(), false);
        assert!(here.tag(&repository, &tag).ends_with("repositories/aux/x/_manifests/tags/V1"));
        std::fs::create_dir_all(&there).unwrap();
        assert!(there.ends_with("repositories/^ux/x/_manifests/tags/^1^v1^"));
        assert_eq!(here.tag(&repository, &tag), there);
    }
}
