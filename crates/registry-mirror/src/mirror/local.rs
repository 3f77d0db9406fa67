//! An image in a file or folder.

use std::collections::HashMap;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use super::archive::{Archive, bytes_reader, not_an_image};
use super::{blocking, docker_archive, oci_layout, same_image};
use crate::{Digest, RegistryError};

/// One image of an archive.
#[derive(Debug, Clone)]
pub(super) struct Local {
    pub(super) archive: Arc<Archive>,
    pub(super) digest: Digest,
    pub(super) content: HashMap<Digest, Content>,
}

/// Where some content of an archive is.
#[derive(Debug, Clone)]
pub(super) enum Content {
    /// In this file of the archive.
    File(String),
    /// Made from what the archive says.
    Bytes(Vec<u8>),
}

/// An image with the name that its archive gives it; empty when it gives none.
#[derive(Debug, Clone)]
pub(super) struct Named {
    pub(super) reference: String,
    pub(super) image: Local,
}

impl Named {
    /// The image called `reference`, or the only one there is.
    pub(super) fn choose(mut images: Vec<Self>, reference: &str, path: &Path) -> Result<Local, RegistryError> {
        if let Some(at) = images.iter().position(|named| same_image(&named.reference, reference)) {
            return Ok(images.swap_remove(at).image);
        }
        // Archives made by digest, or saved under a short name, hold one image and call it something else.
        images.dedup_by(|a, b| a.image.digest == b.image.digest);
        match images.len() {
            1 => Ok(images.swap_remove(0).image),
            _ => Err(RegistryError::ImageNotThere {
                reference: reference.to_owned(),
                origin: path.display().to_string(),
            }),
        }
    }
}

impl Local {
    /// The images of a docker archive, an OCI layout folder or an OCI layout tar.
    pub(super) fn all_of(path: &Path, scratch: &Path) -> Result<Vec<Named>, RegistryError> {
        let archive = Arc::new(Archive::open(path, scratch)?);
        if archive.size("manifest.json").is_some() {
            docker_archive::images(&archive)
        } else if archive.size("index.json").is_some() {
            oci_layout::images(&archive)
        } else {
            Err(not_an_image(path, "neither manifest.json nor index.json is in it"))
        }
    }

    fn place(&self, digest: &Digest) -> Content {
        let in_layout = || Content::File(format!("blobs/{}/{}", digest.algorithm().name(), digest.hex()));
        self.content.get(digest).cloned().unwrap_or_else(in_layout)
    }
}

impl Local {
    /// A manifest's bytes. The caller checks the digest.
    pub(super) async fn manifest(&self, digest: &Digest) -> Result<Vec<u8>, RegistryError> {
        match self.place(digest) {
            Content::Bytes(bytes) => Ok(bytes),
            Content::File(name) => {
                let archive = self.archive.clone();
                blocking(move || archive.document(&name)).await
            }
        }
    }

    /// A blob's bytes from byte `at` on. The caller checks the digest.
    pub(super) fn open(&self, digest: &Digest, at: u64) -> Result<Box<dyn Read + Send>, RegistryError> {
        let fail = |e: std::io::Error| not_an_image(&self.archive.path, e.to_string());
        let mut reader = match self.place(digest) {
            Content::Bytes(bytes) => bytes_reader(bytes),
            Content::File(name) => self.archive.open_file(&name).map_err(fail)?,
        };
        std::io::copy(&mut reader.by_ref().take(at), &mut std::io::sink()).map_err(fail)?;
        Ok(reader)
    }
}
