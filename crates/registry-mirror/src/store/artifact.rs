//! Files that are no images, kept as an OCI artifact so that nodes can fetch them by digest.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use serde::Serialize;

use super::{Descriptor, OCI_MANIFEST, Store};
use crate::digest::Algorithm;
use crate::{Digest, RegistryError, Repository, Tag};

const ARTIFACT_TYPE: &str = "application/vnd.airlab.files.v1";
/// The OCI image specification's empty descriptor.
const EMPTY_TYPE: &str = "application/vnd.oci.empty.v1+json";
const EMPTY: &[u8] = b"{}";
const TITLE: &str = "org.opencontainers.image.title";

/// A file in the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Blob {
    /// Its name.
    pub title: String,
    /// `sha256:<hex>`.
    pub digest: String,
    /// Bytes.
    pub size: u64,
    /// Path below the registry's address: `/v2/<repository>/blobs/<digest>`.
    pub url_path: String,
}

/// A file to put into the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part<'a> {
    /// Its name.
    pub title: &'a str,
    /// Where it lies.
    pub path: &'a Path,
    /// Its SHA-256 where the caller has just worked it out, 64 hexadecimal digits: a file that the store has already
    /// is then not read.
    pub sha256: Option<&'a str>,
}

impl<'a> Part<'a> {
    /// A file whose hash is not known yet.
    pub fn new(title: &'a str, path: &'a Path) -> Self {
        Self { title, path, sha256: None }
    }
}

/// What [`Store::put_artifact`] did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PutArtifact {
    /// The files, in the order given.
    pub blobs: Vec<Blob>,
    /// Whether anything was written.
    pub changed: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ArtifactManifest<'a> {
    schema_version: u32,
    media_type: &'a str,
    artifact_type: &'a str,
    config: Descriptor,
    layers: Vec<Descriptor>,
}

impl Store {
    /// Keeps files under `repository:tag`, as layers of one OCI artifact (OCI image specification, "Guidelines for
    /// Artifact Usage"). Files that the store already has are not written.
    ///
    /// # Errors
    /// [`RegistryError::Reference`] for names that are not valid, [`RegistryError::File`] for a file that cannot be
    /// read or written.
    ///
    /// ```
    /// use registry_mirror::Part;
    /// let dir = tempfile::tempdir().unwrap();
    /// let program = dir.path().join("k3s");
    /// std::fs::write(&program, b"program").unwrap();
    /// let store = registry_mirror::Store::open(&dir.path().join("store"))?;
    /// let put = store.put_artifact("airlab/k3s", "v1.33.4-k3s1", &[Part::new("k3s", &program)])?;
    /// assert_eq!(put.blobs[0].url_path, format!("/v2/airlab/k3s/blobs/{}", put.blobs[0].digest));
    /// # Ok::<(), registry_mirror::RegistryError>(())
    /// ```
    pub fn put_artifact(&self, repository: &str, tag: &str, files: &[Part<'_>]) -> Result<PutArtifact, RegistryError> {
        let not_a_reference = || RegistryError::Reference { text: format!("{repository}:{tag}") };
        let repository: Repository = repository.parse().map_err(|_| not_a_reference())?;
        let tag: Tag = tag.parse().map_err(|_| not_a_reference())?;
        let mut blobs = Vec::new();
        let mut layers = Vec::new();
        for part in files {
            let title = part.title;
            let (digest, size) = self.put_file(&repository, part)?;
            let mut layer = Descriptor::new("application/octet-stream", &digest, size);
            layer.annotations.insert(TITLE.to_owned(), title.to_owned());
            layers.push(layer);
            let url_path = format!("/v2/{repository}/blobs/{digest}");
            blobs.push(Blob { title: title.to_owned(), digest: digest.to_string(), size, url_path });
        }
        let empty = Digest::of(EMPTY);
        self.write_blob(&empty, EMPTY)?;
        self.link_blob(&repository, &empty)?;
        let manifest = ArtifactManifest {
            schema_version: 2,
            media_type: OCI_MANIFEST,
            artifact_type: ARTIFACT_TYPE,
            config: Descriptor::new(EMPTY_TYPE, &empty, EMPTY.len() as u64),
            layers,
        };
        let bytes = serde_json::to_vec(&manifest)
            .map_err(|e| RegistryError::NotAnImage { origin: repository.to_string(), why: e.to_string() })?;
        let changed = self.put_manifest(&repository, Some(&tag), &Digest::of(&bytes), &bytes, None)?;
        Ok(PutArtifact { blobs, changed })
    }

    fn put_file(&self, repository: &Repository, part: &Part<'_>) -> Result<(Digest, u64), RegistryError> {
        let path = part.path;
        let known = part.sha256.and_then(|hex| format!("sha256:{}", hex.to_ascii_lowercase()).parse::<Digest>().ok());
        let read = || match known {
            Some(digest) => Ok((digest, File::open(path)?.metadata()?.len())),
            None => Digest::of_reader(Algorithm::Sha256, File::open(path)?),
        };
        let (digest, size) = read().map_err(RegistryError::file(path, "read"))?;
        if self.blob_size(&digest) == Some(size) {
            self.link_blob(repository, &digest)?;
            return Ok((digest, size));
        }
        let mut upload = self.begin_local(repository)?;
        let mut file = File::open(path).map_err(RegistryError::file(path, "read"))?;
        let mut buffer = vec![0; 1 << 20];
        loop {
            match file.read(&mut buffer).map_err(RegistryError::file(path, "read"))? {
                0 => break,
                n => upload.append(&buffer[..n])?,
            }
        }
        upload.finish(&digest, &path.display().to_string())?;
        Ok((digest, size))
    }
}
