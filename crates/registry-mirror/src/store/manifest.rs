//! Manifests: what they say, and how the store keeps them. Bytes are never rewritten: they are the digest.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use serde::{Deserialize, Serialize};

use super::{Store, remove};
use crate::{Digest, RegistryError, Repository, Tag};

pub(crate) const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub(crate) const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub(crate) const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
pub(crate) const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";

/// Some content by digest (OCI image specification, "Descriptor").
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Descriptor {
    #[serde(default)]
    pub(crate) media_type: String,
    pub(crate) digest: String,
    pub(crate) size: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) artifact_type: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) annotations: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) urls: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) platform: Option<serde_json::Value>,
}

impl Descriptor {
    pub(crate) fn new(media_type: &str, digest: &Digest, size: u64) -> Self {
        Self {
            media_type: media_type.to_owned(),
            digest: digest.to_string(),
            size,
            artifact_type: None,
            annotations: BTreeMap::new(),
            urls: Vec::new(),
            platform: None,
        }
    }

    /// Its digest, checked.
    pub(crate) fn digest(&self) -> Result<Digest, String> {
        self.digest.parse().map_err(|_| format!("{:?} is not a digest", self.digest))
    }

    /// Whether a registry need not hold it (OCI "non-distributable", Docker "foreign" layers).
    pub(crate) fn is_foreign(&self) -> bool {
        self.media_type.contains("nondistributable") || self.media_type.contains(".foreign.") || !self.urls.is_empty()
    }
}

/// The parts of an image manifest or index that decide what belongs to it.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Manifest {
    #[serde(default)]
    pub(crate) media_type: String,
    pub(crate) config: Option<Descriptor>,
    #[serde(default)]
    pub(crate) layers: Vec<Descriptor>,
    #[serde(default)]
    pub(crate) manifests: Option<Vec<Descriptor>>,
    pub(crate) subject: Option<Descriptor>,
    artifact_type: Option<String>,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
    #[serde(default)]
    schema_version: u32,
}

impl Manifest {
    /// Reads an OCI or Docker manifest, index or list. The media type is taken from the document, else from its
    /// shape: the layout on disk has no place for it.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, String> {
        let mut manifest: Self = serde_json::from_slice(bytes).map_err(|e| e.to_string())?;
        if manifest.schema_version != 2 {
            return Err(format!("schema version {} is not supported", manifest.schema_version));
        }
        match (&manifest.manifests, &manifest.config) {
            (None, None) => return Err("neither a config nor a list of manifests".into()),
            (Some(_), None) if manifest.media_type.is_empty() => manifest.media_type = OCI_INDEX.into(),
            (None, Some(_)) if manifest.media_type.is_empty() => manifest.media_type = OCI_MANIFEST.into(),
            (Some(_), Some(_)) => return Err("both a config and a list of manifests".into()),
            _ => {}
        }
        let all = manifest.config.iter().chain(&manifest.layers).chain(manifest.manifests.iter().flatten());
        all.chain(&manifest.subject).try_for_each(|d| d.digest().map(|_| ()))?;
        Ok(manifest)
    }

    /// Config and layers, each digest once, without those that are kept elsewhere.
    pub(crate) fn blobs(&self) -> Vec<&Descriptor> {
        let mut blobs: Vec<&Descriptor> = Vec::new();
        for blob in self.config.iter().chain(self.layers.iter().filter(|l| !l.is_foreign())) {
            if !blobs.iter().any(|b| b.digest == blob.digest) {
                blobs.push(blob);
            }
        }
        blobs
    }

    /// The manifests of an index.
    pub(crate) fn children(&self) -> &[Descriptor] {
        self.manifests.as_deref().unwrap_or_default()
    }

    /// The descriptor under which a referrers list names this manifest.
    pub(crate) fn describe(&self, digest: &Digest, size: u64) -> Descriptor {
        let config_type = || self.config.as_ref().map(|c| c.media_type.clone());
        Descriptor {
            artifact_type: self.artifact_type.clone().or_else(config_type),
            annotations: self.annotations.clone(),
            ..Descriptor::new(&self.media_type, digest, size)
        }
    }
}

impl Store {
    /// Keeps a manifest for a repository; says whether anything changed. The caller has checked that `digest` is the
    /// digest of `bytes`. The tag moves last, in one rename.
    pub(crate) fn put_manifest(
        &self,
        repository: &Repository,
        tag: Option<&Tag>,
        digest: &Digest,
        bytes: &[u8],
        subject: Option<&Digest>,
    ) -> Result<bool, RegistryError> {
        let mut changed = self.write_blob(digest, bytes)?;
        let revision = self.layout.revision_link(repository, digest);
        changed |= !revision.exists();
        self.link(&revision, digest)?;
        if let Some(subject) = subject {
            let path = self.layout.referrer(repository, subject, digest);
            super::durable::write(&path, b"").map_err(RegistryError::file(&path, "write"))?;
        }
        if let Some(tag) = tag {
            changed |= self.resolve(repository, tag)?.as_ref() != Some(digest);
            self.link(&self.layout.tag_index_link(repository, tag, digest), digest)?;
            self.link(&self.layout.tag_link(repository, tag), digest)?;
        }
        Ok(changed)
    }

    /// The digest that a tag points to.
    pub(crate) fn resolve(&self, repository: &Repository, tag: &Tag) -> Result<Option<Digest>, RegistryError> {
        self.read_link(&self.layout.tag_link(repository, tag))
    }

    /// Whether a repository has a manifest.
    pub(crate) fn has_manifest(&self, repository: &Repository, digest: &Digest) -> bool {
        self.layout.revision_link(repository, digest).exists()
    }

    /// Keeps the media type of a manifest that does not name its own and is not of the usual kind.
    pub(crate) fn set_media_type(
        &self,
        repository: &Repository,
        digest: &Digest,
        media_type: &str,
    ) -> Result<(), RegistryError> {
        let path = self.layout.media_type(repository, digest);
        super::durable::write(&path, media_type.as_bytes()).map_err(RegistryError::file(&path, "write"))
    }

    /// The media type kept for a manifest, if any.
    pub(crate) fn media_type(&self, repository: &Repository, digest: &Digest) -> Option<String> {
        fs::read_to_string(self.layout.media_type(repository, digest)).ok()
    }

    /// A repository's manifest that somebody is about to rely on stays for a while; says whether it is there.
    pub(crate) fn rely_on_manifest(&self, repository: &Repository, digest: &Digest) -> Result<bool, RegistryError> {
        Ok(self.keep(&self.layout.revision_link(repository, digest))?.is_some())
    }

    /// The bytes of a repository's manifest.
    pub(crate) fn manifest(&self, repository: &Repository, digest: &Digest) -> Result<Option<Vec<u8>>, RegistryError> {
        if !self.has_manifest(repository, digest) {
            return Ok(None);
        }
        self.read_blob(digest).map(Some)
    }

    /// Whether a repository has a manifest with everything that belongs to it; of an index, the manifests that `want`
    /// names.
    pub(crate) fn is_complete(
        &self,
        repository: &Repository,
        digest: &Digest,
        want: &dyn Fn(&Descriptor) -> bool,
    ) -> Result<bool, RegistryError> {
        let Some(bytes) = self.manifest(repository, digest)? else { return Ok(false) };
        if Digest::of_reader(digest.algorithm(), &bytes[..]).map(|(d, _)| d).ok().as_ref() != Some(digest) {
            return Ok(false);
        }
        let Ok(manifest) = Manifest::parse(&bytes) else { return Ok(false) };
        let there =
            |d: &Descriptor| d.digest().is_ok_and(|digest| self.repository_blob(repository, &digest) == Some(d.size));
        if !manifest.blobs().into_iter().all(there) {
            return Ok(false);
        }
        for child in manifest.children().iter().filter(|child| want(child)) {
            let Ok(child) = child.digest() else { return Ok(false) };
            if !self.is_complete(repository, &child, want)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Removes a tag; says whether it was there.
    pub(crate) fn delete_tag(&self, repository: &Repository, tag: &Tag) -> Result<bool, RegistryError> {
        remove(&self.layout.tag(repository, tag))
    }

    /// Takes a manifest and the tags that point to it from a repository; says whether it was there.
    pub(crate) fn delete_manifest(&self, repository: &Repository, digest: &Digest) -> Result<bool, RegistryError> {
        for tag in self.tags(repository)? {
            if self.resolve(repository, &tag)?.as_ref() == Some(digest) {
                self.delete_tag(repository, &tag)?;
            }
        }
        let subject = self.manifest(repository, digest)?.and_then(|bytes| Manifest::parse(&bytes).ok()?.subject);
        if let Some(subject) = subject.and_then(|s| s.digest().ok()) {
            let _ = fs::remove_file(self.layout.referrer(repository, &subject, digest));
        }
        remove(&self.layout.revision(repository, digest))
    }

    /// The manifests of a repository that name `subject`, sorted by digest: those pushed here, and those that a client
    /// of a registry without this list wrote down under the subject's tag (OCI distribution specification,
    /// "Referrers Tag Schema").
    pub(crate) fn referrers(
        &self,
        repository: &Repository,
        subject: &Digest,
    ) -> Result<Vec<Descriptor>, RegistryError> {
        let names = super::listing::names(&self.layout.referrers(repository, subject))?;
        let mut digests: BTreeSet<Digest> = names.iter().filter_map(|n| n.replacen('-', ":", 1).parse().ok()).collect();
        let tag = format!("{}-{}", subject.algorithm().name(), &subject.hex()[..64]);
        if let Some(index) = tag.parse().ok().map(|tag| self.resolve(repository, &tag)).transpose()?.flatten() {
            let index = self.manifest(repository, &index)?.and_then(|bytes| Manifest::parse(&bytes).ok());
            let children = index.as_ref().map(Manifest::children).unwrap_or_default();
            digests.extend(children.iter().filter_map(|child| child.digest().ok()));
        }
        let mut found = Vec::new();
        for digest in digests {
            let Some(bytes) = self.manifest(repository, &digest)? else { continue };
            let Ok(manifest) = Manifest::parse(&bytes) else { continue };
            if manifest.subject.as_ref().is_some_and(|s| s.digest == subject.to_string()) {
                found.push(manifest.describe(&digest, bytes.len() as u64));
            }
        }
        Ok(found)
    }
}
