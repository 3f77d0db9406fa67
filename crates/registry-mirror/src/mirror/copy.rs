//! One image from an origin into a store.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use futures_util::{StreamExt, TryStreamExt, stream};
use steps::{Event, Sink};

use super::{Outcome, blocking};
use crate::store::{Descriptor, Manifest, Upload};
use crate::{Digest, RegistryError, Repository, Store, Tag};

/// Blobs of one image under way at a time.
const AT_ONCE: usize = 4;
/// Deepest nesting of indexes that is followed.
const DEEPEST: usize = 4;

/// Something that holds an image.
#[async_trait]
pub(super) trait Origin: Send + Sync {
    /// File or registry, for messages.
    fn name(&self) -> String;

    /// The digest of the image's manifest or index.
    fn digest(&self) -> &Digest;

    /// A manifest's bytes. The caller checks the digest.
    async fn manifest(&self, digest: &Digest) -> Result<Vec<u8>, RegistryError>;

    /// Writes a blob's bytes to `upload`. The caller checks the digest.
    async fn blob(
        &self,
        descriptor: &Descriptor,
        digest: &Digest,
        upload: Upload,
        progress: &Progress<'_>,
    ) -> Result<Upload, RegistryError>;
}

/// Tells how many bytes were copied, about once a second.
pub(super) struct Progress<'a> {
    sink: &'a dyn Sink,
    state: Mutex<(u64, Instant)>,
}

impl<'a> Progress<'a> {
    pub(super) fn new(sink: &'a dyn Sink) -> Self {
        Self { sink, state: Mutex::new((0, Instant::now())) }
    }

    pub(super) fn add(&self, bytes: u64) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.0 += bytes;
        if state.1.elapsed() >= Duration::from_secs(1) {
            state.1 = Instant::now();
            self.sink.emit(Event::Progress { step: "images".into(), done: state.0, total: None, unit: "bytes" });
        }
    }
}

/// Copies what the store lacks of the origin's image, the tag last.
pub(super) async fn copy(
    origin: &dyn Origin,
    store: &Store,
    repository: &Repository,
    tag: Option<&Tag>,
    progress: &Progress<'_>,
) -> Result<Outcome, RegistryError> {
    let digest = origin.digest().clone();
    let (here, name, wanted, of) = (store.clone(), repository.clone(), digest.clone(), tag.cloned());
    let before = blocking(move || {
        let old = of.map(|tag| here.resolve(&name, &tag)).transpose()?.flatten();
        let complete = here.is_complete(&name, &wanted)?;
        Ok((old, complete))
    });
    let (old, complete) = before.await?;
    if complete && (tag.is_none() || old.as_ref() == Some(&digest)) {
        return Ok(Outcome::Present);
    }
    copy_manifest(origin, store, repository, tag, &digest, progress, 0).await?;
    Ok(if old.is_none() { Outcome::New } else { Outcome::Changed })
}

async fn copy_manifest(
    origin: &dyn Origin,
    store: &Store,
    repository: &Repository,
    tag: Option<&Tag>,
    digest: &Digest,
    progress: &Progress<'_>,
    depth: usize,
) -> Result<(), RegistryError> {
    let not_an_image = |why: String| RegistryError::NotAnImage { origin: origin.name(), why };
    if depth > DEEPEST {
        return Err(not_an_image("indexes are nested too deeply".into()));
    }
    let bytes = origin.manifest(digest).await?;
    let got = Digest::of_reader(digest.algorithm(), &bytes[..]).map_err(|e| not_an_image(e.to_string()))?.0;
    if got != *digest {
        let what = format!("a manifest of {}", origin.name());
        return Err(RegistryError::DigestMismatch { what, wanted: digest.to_string(), got: got.to_string() });
    }
    let manifest = Manifest::parse(&bytes).map_err(not_an_image)?;
    let blobs = manifest.blobs().into_iter().map(|blob| copy_blob(origin, store, repository, blob, progress));
    // Collected first: a stream over borrowing closures would not be `Send`.
    let blobs: Vec<_> = blobs.collect();
    stream::iter(blobs).buffer_unordered(AT_ONCE).try_collect::<Vec<()>>().await?;
    for child in manifest.children() {
        let child = child.digest().map_err(not_an_image)?;
        Box::pin(copy_manifest(origin, store, repository, None, &child, progress, depth + 1)).await?;
    }
    let (store, repository, tag, digest) = (store.clone(), repository.clone(), tag.cloned(), digest.clone());
    let subject = manifest.subject.and_then(|s| s.digest().ok());
    blocking(move || store.put_manifest(&repository, tag.as_ref(), &digest, &bytes, subject.as_ref())).await?;
    Ok(())
}

async fn copy_blob(
    origin: &dyn Origin,
    store: &Store,
    repository: &Repository,
    descriptor: &Descriptor,
    progress: &Progress<'_>,
) -> Result<(), RegistryError> {
    let not_an_image = |why: String| RegistryError::NotAnImage { origin: origin.name(), why };
    let digest = descriptor.digest().map_err(not_an_image)?;
    let (here, name, wanted, size) = (store.clone(), repository.clone(), digest.clone(), descriptor.size);
    let upload = blocking(move || {
        if here.blob_size(&wanted) == Some(size) {
            here.link_blob(&name, &wanted)?;
            return Ok(None);
        }
        here.begin_local(&name).map(Some)
    });
    let Some(upload) = upload.await? else { return Ok(()) };
    let (here, name, id) = (store.clone(), repository.clone(), upload.id().to_owned());
    match origin.blob(descriptor, &digest, upload, progress).await {
        Ok(upload) => {
            let what = format!("a layer or config of {}", origin.name());
            blocking(move || upload.finish(&digest, &what)).await
        }
        Err(error) => {
            let _ = blocking(move || here.forget_upload(&name, &id)).await;
            Err(error)
        }
    }
}
