//! Something that holds an image: a registry, a file or folder, a store.

use std::io::Read;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use super::archive::not_an_image;
use super::blocking;
use super::local::Local;
use super::transport::{Blob, Registry, Trouble};
use crate::store::Manifest;
use crate::{Digest, RegistryError, Repository, Store, Tag};

/// Bytes read from a file at a time.
const PIECE: usize = 1 << 17;

/// An image where it can be taken from.
#[derive(Clone)]
pub(super) enum Origin {
    Remote { registry: Arc<Registry>, repository: Repository, reference: String },
    Local(Arc<Local>),
    Kept { store: Store, repository: Repository, tag: Option<Tag>, digest: Option<Digest> },
}

/// A blob that is being read.
pub(super) enum Reading {
    Remote(Box<Blob>),
    File { file: Box<dyn Read + Send>, origin: String },
}

impl Origin {
    /// File or registry, for messages.
    pub(super) fn name(&self) -> String {
        match self {
            Self::Remote { registry, repository, .. } => format!("{}/{repository}", registry.name()),
            Self::Local(local) => local.archive.path.display().to_string(),
            Self::Kept { store, .. } => store.root().display().to_string(),
        }
    }

    /// The digest of the image's manifest or index, or `None` where it is not there.
    pub(super) async fn digest(&self) -> Result<Option<Digest>, RegistryError> {
        match self {
            Self::Remote { registry, repository, reference } => registry.manifest_digest(repository, reference).await,
            Self::Local(local) => Ok(Some(local.digest.clone())),
            Self::Kept { digest: Some(digest), .. } => Ok(Some(digest.clone())),
            Self::Kept { store, repository, tag, .. } => {
                let (store, repository, tag) = (store.clone(), repository.clone(), tag.clone());
                blocking(move || tag.map(|tag| store.resolve(&repository, &tag)).transpose().map(Option::flatten)).await
            }
        }
    }

    /// Media type and bytes of the image's manifest or index, or of another one of its manifests. The caller checks
    /// the digest.
    pub(super) async fn manifest(&self, digest: Option<&Digest>) -> Result<Option<(String, Vec<u8>)>, RegistryError> {
        let bytes = match self {
            Self::Remote { registry, repository, reference } => {
                let reference = digest.map_or_else(|| reference.clone(), ToString::to_string);
                return registry.manifest(repository, &reference).await;
            }
            Self::Local(local) => Some(local.manifest(digest.unwrap_or(&local.digest)).await?),
            Self::Kept { store, repository, .. } => {
                let digest = match digest {
                    Some(digest) => Some(digest.clone()),
                    None => self.digest().await?,
                };
                let Some(digest) = digest else { return Ok(None) };
                let (store, repository) = (store.clone(), repository.clone());
                blocking(move || store.manifest(&repository, &digest)).await?
            }
        };
        Ok(bytes.map(|bytes| (Manifest::parse(&bytes).map(|m| m.media_type).unwrap_or_default(), bytes)))
    }

    /// A blob from byte `at` on, and where it really begins.
    pub(super) async fn open(&self, digest: &Digest, at: u64) -> Result<(Reading, u64), Trouble> {
        let (file, origin) = match self {
            Self::Remote { registry, repository, .. } => {
                let blob = registry.blob(repository, digest, at).await?;
                let at = blob.at;
                return Ok((Reading::Remote(Box::new(blob)), at));
            }
            Self::Local(local) => {
                let (local, digest) = (local.clone(), digest.clone());
                blocking(move || local.open(&digest, at)).await.map(|file| (file, self.name()))?
            }
            Self::Kept { store, .. } => {
                let (store, digest) = (store.clone(), digest.clone());
                let open = move || {
                    use std::io::{Seek, SeekFrom};
                    let mut file = store.open_blob(&digest)?;
                    file.seek(SeekFrom::Start(at)).map_err(RegistryError::file(store.root(), "read"))?;
                    Ok::<Box<dyn Read + Send>, RegistryError>(Box::new(file))
                };
                (blocking(open).await?, self.name())
            }
        };
        Ok((Reading::File { file, origin }, at))
    }

    /// The registry it is in.
    pub(super) fn registry(&self) -> Option<&Registry> {
        match self {
            Self::Remote { registry, .. } => Some(registry),
            _ => None,
        }
    }
}

impl Reading {
    /// The next bytes, or `None` at the end.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, Trouble> {
        match self {
            Self::Remote(blob) => blob.next().await,
            Self::File { file, origin } => {
                let mut piece = BytesMut::zeroed(PIECE);
                let n = file.read(&mut piece).map_err(|e| not_an_image(origin.as_ref(), e.to_string()))?;
                piece.truncate(n);
                Ok((n > 0).then(|| piece.freeze()))
            }
        }
    }
}
