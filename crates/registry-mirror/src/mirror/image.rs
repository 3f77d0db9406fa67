//! One image from a source to a place: what is missing of it, each blob once for the whole run, the tag last.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::{StreamExt, TryStreamExt, stream};

use super::feed::Wanted;
use super::origin::Origin;
use super::report::{Done, Outcome};
use super::target::Current;
use super::{Image, Job, Run};
use crate::digest::Hasher;
use crate::store::Manifest;
use crate::{Digest, RegistryError};

/// Deepest nesting of indexes that is followed.
const DEEPEST: usize = 4;
/// Blobs of one image that are asked for at a time.
const AT_ONCE: usize = 16;

/// A manifest that has been read and checked.
struct Read {
    digest: Digest,
    media_type: String,
    bytes: Bytes,
    manifest: Manifest,
}

/// The image, from the first source that has it.
pub(super) async fn mirror(run: &Arc<Run>, job: &Job) -> Result<Done, RegistryError> {
    let Image { reference, digest: locked, sources } = &job.image;
    let current = run.place.current(run, &job.repository, job.tag.as_ref(), locked.as_ref()).await?;
    if let Some(locked) = locked
        && current.complete
        && current.digest.as_ref() == Some(locked)
    {
        return Ok(Done { outcome: Outcome::Present, digest: locked.clone(), was: None });
    }
    let mut last = RegistryError::ImageNotThere { reference: reference.clone(), origin: "no source".into() };
    for source in sources {
        let tried = match run.open(source, reference).await {
            Ok(origin) => from_origin(run, job, &origin, &current).await,
            Err(error) => Err(error),
        };
        match tried {
            Ok(done) => return Ok(done),
            Err(error) => last = error,
        }
    }
    Err(last)
}

async fn from_origin(run: &Arc<Run>, job: &Job, origin: &Origin, current: &Current) -> Result<Done, RegistryError> {
    let reference = &job.image.reference;
    let missing = || RegistryError::ImageNotThere { reference: reference.clone(), origin: origin.name() };
    let mut wanted = job.image.digest.clone();
    if let (Some(locked), Origin::Local(local)) = (&wanted, origin)
        && *locked != local.digest
    {
        return Err(other(&format!("{reference} in {}", origin.name()), locked, &local.digest));
    }
    if current.complete && wanted.is_none() && !run.platforms.rewrites() {
        let digest = origin.digest().await?.ok_or_else(missing)?;
        if current.digest.as_ref() == Some(&digest) {
            return Ok(Done { outcome: Outcome::Present, digest, was: None });
        }
        wanted = Some(digest);
    }
    let (kind, bytes) = origin.manifest(wanted.as_ref()).await?.ok_or_else(missing)?;
    let mut top = read(origin, wanted.as_ref(), kind, bytes)?;
    let mut was = None;
    if let Some(fewer) = run.platforms.rewrite(&top.bytes, top.manifest.children()) {
        was = Some(top.digest);
        top = read(origin, None, top.media_type, fewer)?;
        if current.complete && current.digest.as_ref() == Some(&top.digest) {
            return Ok(Done { outcome: Outcome::Present, digest: top.digest, was });
        }
    }
    if let Some(old) = &current.digest {
        for blob in run.place.blobs_of(&job.repository, old).await {
            run.blobs.known(&blob, &job.repository).await;
        }
    }
    let digest = top.digest.clone();
    bring(run, job, origin, top, 0).await?;
    let outcome = if current.digest.is_none() { Outcome::New } else { Outcome::Changed };
    Ok(Done { outcome, digest, was })
}

/// Brings a manifest with everything below it, itself last.
fn bring<'a>(run: &'a Run, job: &'a Job, origin: &'a Origin, top: Read, depth: usize) -> Bringing<'a> {
    Box::pin(bring_now(run, job, origin, top, depth))
}

/// Boxed, since manifests are nested and streams over borrowing closures are not `Send`.
type Bringing<'a> = BoxFuture<'a, Result<(), RegistryError>>;

async fn bring_now(run: &Run, job: &Job, origin: &Origin, top: Read, depth: usize) -> Result<(), RegistryError> {
    let not_an_image = |why: String| RegistryError::NotAnImage { origin: origin.name(), why };
    if depth > DEEPEST {
        return Err(not_an_image("indexes are nested too deeply".into()));
    }
    let children = top.manifest.children().iter().filter(|child| run.platforms.want(child));
    let children: Vec<Digest> = children.map(|c| c.digest()).collect::<Result<_, _>>().map_err(not_an_image)?;
    let mut below: Vec<Bringing<'_>> = Vec::new();
    for digest in children {
        below.push(Box::pin(async move {
            let found = origin.manifest(Some(&digest)).await?;
            let missing = || RegistryError::ImageNotThere { reference: digest.to_string(), origin: origin.name() };
            let (kind, bytes) = found.ok_or_else(missing)?;
            let child = read(origin, Some(&digest), kind, bytes)?;
            bring(run, job, origin, child, depth + 1).await
        }));
    }
    stream::iter(below).buffer_unordered(AT_ONCE).try_collect::<Vec<()>>().await?;
    let mut blobs: Vec<Bringing<'_>> = Vec::new();
    for blob in top.manifest.blobs() {
        let wanted = Wanted { digest: blob.digest().map_err(not_an_image)?, size: blob.size };
        blobs.push(Box::pin(async move { run.blob(origin, &wanted, &job.repository).await }));
    }
    stream::iter(blobs).buffer_unordered(AT_ONCE).try_collect::<Vec<()>>().await?;
    let tag = job.tag.as_ref().filter(|_| depth == 0);
    run.place.manifest(&job.repository, tag, &top.digest, &top.media_type, &top.bytes).await
}

/// A manifest with the digest it must have, understood.
fn read(origin: &Origin, wanted: Option<&Digest>, kind: String, bytes: Vec<u8>) -> Result<Read, RegistryError> {
    let digest = match wanted {
        None => Digest::of(&bytes),
        Some(wanted) => {
            let mut hasher = Hasher::new(wanted.algorithm());
            hasher.update(&bytes);
            hasher.finish()
        }
    };
    if let Some(wanted) = wanted.filter(|wanted| **wanted != digest) {
        return Err(other(&format!("a manifest of {}", origin.name()), wanted, &digest));
    }
    let manifest = Manifest::parse(&bytes).map_err(|why| RegistryError::NotAnImage { origin: origin.name(), why })?;
    // What the document says of itself comes before what a server says of it.
    let said = serde_json::from_slice::<serde_json::Value>(&bytes).ok();
    let own = said.as_ref().and_then(|d| d.get("mediaType")).and_then(serde_json::Value::as_str);
    let media_type = match own {
        Some(own) => own.to_owned(),
        None if kind.is_empty() => manifest.media_type.clone(),
        None => kind,
    };
    Ok(Read { digest, media_type, bytes: bytes.into(), manifest })
}

fn other(what: &str, wanted: &Digest, got: &Digest) -> RegistryError {
    RegistryError::DigestMismatch { what: what.to_owned(), wanted: wanted.to_string(), got: got.to_string() }
}
