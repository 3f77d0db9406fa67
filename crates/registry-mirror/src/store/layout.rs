//! Where things are: the file layout of the reference registry (distribution/distribution, storage driver paths),
//! so that a stock `docker-registry` can serve the same folder.

use std::path::{Path, PathBuf};

use crate::{Digest, Repository, Tag};

/// Paths below a store's root.
#[derive(Debug, Clone)]
pub(super) struct Layout {
    v2: PathBuf,
}

impl Layout {
    pub(super) fn new(root: &Path) -> Self {
        Self { v2: root.join("docker/registry/v2") }
    }

    pub(super) fn blobs(&self) -> PathBuf {
        self.v2.join("blobs")
    }

    pub(super) fn repositories(&self) -> PathBuf {
        self.v2.join("repositories")
    }

    pub(super) fn blob(&self, digest: &Digest) -> PathBuf {
        let hex = digest.hex();
        self.blobs().join(digest.algorithm().name()).join(&hex[..2]).join(hex).join("data")
    }

    fn repository(&self, repository: &Repository) -> PathBuf {
        self.repositories().join(repository.as_str())
    }

    pub(super) fn layer_link(&self, repository: &Repository, digest: &Digest) -> PathBuf {
        linked(&self.repository(repository).join("_layers"), digest).join("link")
    }

    pub(super) fn uploads(&self, repository: &Repository) -> PathBuf {
        self.repository(repository).join("_uploads")
    }

    pub(super) fn revision(&self, repository: &Repository, digest: &Digest) -> PathBuf {
        linked(&self.repository(repository).join("_manifests/revisions"), digest)
    }

    pub(super) fn tags(&self, repository: &Repository) -> PathBuf {
        self.repository(repository).join("_manifests/tags")
    }

    pub(super) fn tag(&self, repository: &Repository, tag: &Tag) -> PathBuf {
        self.tags(repository).join(tag.as_str())
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
}

fn linked(dir: &Path, digest: &Digest) -> PathBuf {
    dir.join(digest.algorithm().name()).join(digest.hex())
}
