//! An image in a file or folder.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;

use super::archive::{Archive, bytes_reader, not_an_image};
use super::copy::{Origin, Progress};
use super::{blocking, docker_archive, oci_layout, same_image};
use crate::store::{Descriptor, Upload};
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
    pub(super) fn open(path: &Path, scratch: &Path) -> Result<Vec<Named>, RegistryError> {
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

#[async_trait]
impl Origin for Local {
    fn name(&self) -> String {
        self.archive.path.display().to_string()
    }

    fn digest(&self) -> &Digest {
        &self.digest
    }

    async fn manifest(&self, digest: &Digest) -> Result<Vec<u8>, RegistryError> {
        match self.place(digest) {
            Content::Bytes(bytes) => Ok(bytes),
            Content::File(name) => {
                let archive = self.archive.clone();
                blocking(move || archive.document(&name)).await
            }
        }
    }

    async fn blob(
        &self,
        descriptor: &Descriptor,
        digest: &Digest,
        mut upload: Upload,
        progress: &Progress<'_>,
    ) -> Result<Upload, RegistryError> {
        let (archive, place) = (self.archive.clone(), self.place(digest));
        let upload = blocking(move || {
            let fail = |e: std::io::Error| not_an_image(&archive.path, e.to_string());
            let mut reader = match place {
                Content::Bytes(bytes) => bytes_reader(bytes),
                Content::File(name) => archive.open_file(&name).map_err(fail)?,
            };
            let mut buffer = vec![0; 1 << 20];
            loop {
                match reader.read(&mut buffer).map_err(fail)? {
                    0 => return Ok(upload),
                    n => upload.append(&buffer[..n])?,
                }
            }
        });
        let upload = upload.await?;
        progress.add(descriptor.size);
        Ok(upload)
    }
}
