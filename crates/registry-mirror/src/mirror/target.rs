//! Where images go to: a store, or a registry.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream;

use super::feed::{Onward, Stopped, Wanted, feed};
use super::origin::Origin;
use super::partial::Partial;
use super::transport::{Registry, Session, Trouble};
use super::{Run, blocking};
use crate::store::{Descriptor, Manifest};
use crate::{Digest, RegistryError, Repository, Store, Tag};

/// Blobs below this go to a registry without a copy on disk: fetching them again costs nothing.
const WORTH_KEEPING: u64 = 1 << 20;

/// Where images go to.
#[derive(Clone)]
pub(super) enum Place {
    Store(Store),
    Registry(Arc<Registry>),
}

/// What a place has under a name.
pub(super) struct Current {
    pub(super) digest: Option<Digest>,
    pub(super) complete: bool,
}

impl Place {
    /// What the place has under a name; a registry has what it names.
    pub(super) async fn current(
        &self,
        run: &Arc<Run>,
        repository: &Repository,
        tag: Option<&Tag>,
        digest: Option<&Digest>,
    ) -> Result<Current, RegistryError> {
        match self {
            Self::Registry(registry) => {
                let reference = tag.map(ToString::to_string).or_else(|| digest.map(ToString::to_string));
                let Some(reference) = reference else { return Ok(Current { digest: None, complete: false }) };
                let digest = registry.manifest_digest(repository, &reference).await?;
                Ok(Current { complete: digest.is_some(), digest })
            }
            Self::Store(store) => {
                let (store, repository, tag, digest) =
                    (store.clone(), repository.clone(), tag.cloned(), digest.cloned());
                let run = run.clone();
                blocking(move || {
                    let digest = match &tag {
                        Some(tag) => store.resolve(&repository, tag)?,
                        None => digest,
                    };
                    let want = |child: &Descriptor| run.platforms.want(child);
                    let complete = match &digest {
                        Some(digest) => store.is_complete(&repository, digest, &want)?,
                        None => false,
                    };
                    Ok(Current { complete, digest: digest.filter(|_| tag.is_some() || complete) })
                })
                .await
            }
        }
    }

    /// The blobs that the image which the place has under a name brought along.
    pub(super) async fn blobs_of(&self, repository: &Repository, digest: &Digest) -> Vec<Digest> {
        let Self::Registry(registry) = self else { return Vec::new() };
        let Ok(Some((_, bytes))) = registry.manifest(repository, &digest.to_string()).await else { return Vec::new() };
        let Ok(manifest) = Manifest::parse(&bytes) else { return Vec::new() };
        manifest.blobs().into_iter().filter_map(|blob| blob.digest().ok()).collect()
    }

    /// Brings one blob to a repository, from another repository of the place where `from` says that it is there.
    /// Says whether it had to be moved.
    pub(super) async fn blob(
        &self,
        run: &Run,
        origin: &Origin,
        wanted: &Wanted,
        repository: &Repository,
        from: Option<&Repository>,
    ) -> Result<bool, RegistryError> {
        match self {
            Self::Store(store) => {
                let (here, name, digest, size) =
                    (store.clone(), repository.clone(), wanted.digest.clone(), wanted.size);
                let there = blocking(move || Ok(here.blob_size(&digest) == Some(size) && here.mount(&name, &digest)?));
                if there.await? {
                    return Ok(false);
                }
                keep(run, origin, wanted, store, repository).await.map(|()| true)
            }
            Self::Registry(registry) => {
                send(run, origin, wanted, registry, repository, from.unwrap_or(repository)).await
            }
        }
    }

    /// Puts a manifest whose blobs are there.
    pub(super) async fn manifest(
        &self,
        repository: &Repository,
        tag: Option<&Tag>,
        digest: &Digest,
        media_type: &str,
        bytes: &Bytes,
    ) -> Result<(), RegistryError> {
        match self {
            Self::Registry(registry) => {
                let reference = tag.map_or_else(|| digest.to_string(), ToString::to_string);
                registry.put_manifest(repository, &reference, media_type, bytes).await
            }
            Self::Store(store) => {
                let manifest = Manifest::parse(bytes).ok();
                let unusual =
                    manifest.as_ref().is_none_or(|m| m.media_type != media_type).then(|| media_type.to_owned());
                let subject = manifest.and_then(|m| m.subject?.digest().ok());
                let (store, repository, tag) = (store.clone(), repository.clone(), tag.cloned());
                let (digest, bytes) = (digest.clone(), bytes.clone());
                blocking(move || {
                    if let Some(media_type) = unusual {
                        store.set_media_type(&repository, &digest, &media_type)?;
                    }
                    store.put_manifest(&repository, tag.as_ref(), &digest, &bytes, subject.as_ref())
                })
                .await?;
                Ok(())
            }
        }
    }
}

async fn keep(
    run: &Run,
    origin: &Origin,
    wanted: &Wanted,
    store: &Store,
    repository: &Repository,
) -> Result<(), RegistryError> {
    let mut partial = Some(partial(run, wanted).await?);
    match feed(run, origin, wanted, &mut partial, None).await {
        Ok(()) => {}
        Err(Stopped::Failed(error)) => return Err(error),
        Err(Stopped::Downstream) => return Err(RegistryError::interrupted(&origin.name())),
    }
    let Some(partial) = partial else { return Err(RegistryError::interrupted(&origin.name())) };
    let (store, repository, digest) = (store.clone(), repository.clone(), wanted.digest.clone());
    blocking(move || {
        let (file, path) = partial.into_parts();
        store.adopt(&file, &path, &repository, &digest)
    })
    .await
}

/// What there is of a blob; waits while another process is at it.
async fn partial(run: &Run, wanted: &Wanted) -> Result<Partial, RegistryError> {
    loop {
        if let Some(partial) = Partial::open(&run.partials, &wanted.digest)? {
            run.meter.spare(partial.len().min(wanted.size));
            return Ok(partial);
        }
        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    }
}

async fn send(
    run: &Run,
    origin: &Origin,
    wanted: &Wanted,
    registry: &Registry,
    repository: &Repository,
    from: &Repository,
) -> Result<bool, RegistryError> {
    let Some(session) = registry.begin(repository, &wanted.digest, from).await? else { return Ok(false) };
    let mut session = Some(session);
    let mut partial = if wanted.size < WORTH_KEEPING { None } else { Some(partial(run, wanted).await?) };
    let (mut failures, mut furthest) = (0, 0);
    loop {
        let current = match session.take() {
            Some(session) => session,
            // The last try may have arrived whole, with only its answer lost.
            None if registry.has_blob(repository, &wanted.digest).await? => break,
            None => match registry.begin(repository, &wanted.digest, repository).await? {
                Some(session) => session,
                None => break,
            },
        };
        if current.at > furthest {
            (failures, furthest) = (0, current.at);
        }
        let trouble = match try_send(run, origin, wanted, registry, repository, &current, &mut partial).await {
            Ok(()) => break,
            Err(trouble) => trouble,
        };
        let lost = matches!(trouble, Trouble::Lost(_));
        registry.retry.wait(trouble, &mut failures).await?;
        let known = registry.resumed(repository, &current).await;
        // One that was refused goes on only where the registry says another place.
        session = known.filter(|known| !lost || known.at != current.at);
    }
    if let Some(partial) = partial {
        partial.discard();
    }
    Ok(true)
}

async fn try_send(
    run: &Run,
    origin: &Origin,
    wanted: &Wanted,
    registry: &Registry,
    repository: &Repository,
    session: &Session,
    partial: &mut Option<Partial>,
) -> Result<(), Trouble> {
    let (onward, pieces) = Onward::new(session.at);
    let body = stream::unfold(pieces, async |mut pieces| Some((pieces.recv().await?, pieces)));
    let put = registry.finish(repository, session, &wanted.digest, wanted.size, body);
    let (fed, put) = tokio::join!(feed(run, origin, wanted, partial, Some(onward)), put);
    match fed {
        // The registry hung up, and says why.
        Ok(()) | Err(Stopped::Downstream) => put,
        Err(Stopped::Failed(error)) => Err(Trouble::Lasting(error)),
    }
}
