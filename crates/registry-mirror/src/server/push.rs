//! Blobs and manifests into the store.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::Response;
use tokio::sync::mpsc;

use super::answer::{Refusal, answer, set};
use super::arrival::Pieces;
use super::pull::CONTENT_DIGEST;
use super::query::Query;
use super::range::content_range;
use super::route::Reference;
use super::{Busy, State, blocking};
use crate::digest::Algorithm;
use crate::store::{DOCKER_LIST, DOCKER_MANIFEST, Manifest, OCI_INDEX, OCI_MANIFEST, Upload};
use crate::{Digest, RegistryError, Repository};

const UPLOAD_ID: HeaderName = HeaderName::from_static("docker-upload-uuid");
const OCI_SUBJECT: HeaderName = HeaderName::from_static("oci-subject");
/// The specification asks for at least 4 MiB.
const LARGEST_MANIFEST: usize = 4 << 20;
/// Times 50 ms that a request waits for the one before it on the same upload.
const WAITS_FOR_OTHERS: usize = 40;

/// `POST .../blobs/uploads/`: a mount, a whole blob, or the beginning of an upload.
pub(super) async fn start(
    state: &Arc<State>,
    repository: Repository,
    query: &Query,
    body: Body,
) -> Result<Response, Refusal> {
    if let Some(digest) = query.get("mount") {
        let digest: Digest = digest.parse().map_err(|_| Refusal::digest("invalid digest"))?;
        let from = query.get("from").map(|from| from.parse::<Repository>());
        let from = from.transpose().map_err(|_| Refusal::from(super::route::NoRoute::Name))?;
        let (target, wanted) = (repository.clone(), digest.clone());
        let mounted = blocking(state, move |store| {
            // Without `from` any blob of the store will do: there are no users who must not see each other's.
            let there = match from {
                Some(from) => store.relied_on(&from, &wanted)?.is_some(),
                None => true,
            };
            Ok(there && store.mount(&target, &wanted)?)
        });
        if mounted.await? {
            return Ok(created(&format!("/v2/{repository}/blobs/{digest}"), &digest));
        }
    }
    let digest = query.get("digest").map(|d| d.parse::<Digest>()).transpose();
    let digest = digest.map_err(|_| Refusal::digest("invalid digest"))?;
    let algorithm = digest.as_ref().map_or(Algorithm::Sha256, Digest::algorithm);
    let target = repository.clone();
    let upload = blocking(state, move |store| store.begin_upload(&target, algorithm)).await?;
    match digest {
        None => Ok(progress(StatusCode::ACCEPTED, &repository, &upload)),
        Some(digest) => {
            let id = upload.id().to_owned();
            match receive(state, upload, body).await {
                Ok(upload) => finish(&repository, upload, digest).await,
                Err(refusal) => {
                    // Nobody knows the id of this upload, so nobody can continue it.
                    let _ = blocking(state, move |store| store.forget_upload(&repository, &id)).await;
                    Err(refusal)
                }
            }
        }
    }
}

/// `PATCH .../blobs/uploads/<id>`: the next piece.
pub(super) async fn append(
    state: &Arc<State>,
    repository: Repository,
    id: String,
    headers: &HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    let (upload, _busy) = open(state, &repository, id).await?;
    in_order(headers, &repository, &upload)?;
    let upload = receive(state, upload, body).await?;
    Ok(progress(StatusCode::ACCEPTED, &repository, &upload))
}

/// `PUT .../blobs/uploads/<id>?digest=`: the last piece, or nothing, and the end.
pub(super) async fn complete(
    state: &Arc<State>,
    repository: Repository,
    id: String,
    query: &Query,
    headers: &HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    let digest = query.get("digest").and_then(|d| d.parse().ok()).ok_or_else(|| Refusal::digest("invalid digest"))?;
    let (upload, _busy) = open(state, &repository, id).await?;
    in_order(headers, &repository, &upload)?;
    let upload = receive(state, upload, body).await?;
    finish(&repository, upload, digest).await
}

/// `GET .../blobs/uploads/<id>`: how much there is.
pub(super) async fn status(state: &Arc<State>, repository: Repository, id: String) -> Result<Response, Refusal> {
    let (upload, _busy) = open(state, &repository, id).await?;
    Ok(progress(StatusCode::NO_CONTENT, &repository, &upload))
}

/// `DELETE .../blobs/uploads/<id>`.
pub(super) async fn cancel(state: &Arc<State>, repository: Repository, id: String) -> Result<Response, Refusal> {
    let (upload, _busy) = open(state, &repository, id).await?;
    tokio::task::spawn_blocking(move || upload.discard()).await?;
    Ok(answer(StatusCode::NO_CONTENT, Body::empty()))
}

/// `PUT .../manifests/<reference>`.
pub(super) async fn manifest(
    state: &Arc<State>,
    repository: Repository,
    reference: Reference,
    headers: &HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    let bytes = document(state, headers, body).await?;
    let manifest = Manifest::parse(&bytes).map_err(Refusal::manifest)?;
    let unusual = unusual_type(headers, &bytes, &manifest.media_type);
    let (tag, digest) = match reference {
        Reference::Tag(tag) => (Some(tag), Digest::of(&bytes)),
        Reference::Digest(digest) => (None, digest),
    };
    let got = Digest::of_reader(digest.algorithm(), &bytes[..]).map_err(Refusal::broken_body)?.0;
    if got != digest {
        return Err(Refusal::digest(format!("the manifest's digest is {got}")));
    }
    let subject = manifest.subject.as_ref().and_then(|s| s.digest().ok());
    let (target, of, kept) = (repository.clone(), subject.clone(), digest.clone());
    let missing = blocking(state, move |store| {
        let missing = manifest.blobs().into_iter().find_map(|blob| {
            let digest = blob.digest().ok()?;
            store.relied_on(&target, &digest).map(|size| size.is_none().then_some(digest)).transpose()
        });
        if let Some(missing) = missing {
            return missing.map(Some);
        }
        for child in manifest.children() {
            if let Ok(child) = child.digest() {
                store.rely_on_manifest(&target, &child)?;
            }
        }
        if let Some(media_type) = unusual {
            store.set_media_type(&target, &kept, &media_type)?;
        }
        store.put_manifest(&target, tag.as_ref(), &kept, &bytes, of.as_ref())?;
        Ok(None)
    });
    if let Some(missing) = missing.await? {
        let message = format!("the repository has no blob {missing}");
        return Err(Refusal::new(StatusCode::BAD_REQUEST, "MANIFEST_BLOB_UNKNOWN", message));
    }
    let mut response = created(&format!("/v2/{repository}/manifests/{digest}"), &digest);
    if let Some(subject) = subject {
        set(&mut response, OCI_SUBJECT, &subject.to_string());
    }
    Ok(response)
}

/// The body of a manifest, not larger than the limit and not slower than the limits.
async fn document(state: &Arc<State>, headers: &HeaderMap, body: Body) -> Result<Bytes, Refusal> {
    let large = || Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "SIZE_INVALID", "a manifest has at most 4 MiB");
    if length(headers).is_some_and(|length| length > LARGEST_MANIFEST as u64) {
        return Err(large());
    }
    let mut bytes = Vec::new();
    let mut pieces = Pieces::new(body, state.limits.idle);
    while let Some(piece) = pieces.next().await? {
        if bytes.len() + piece.len() > LARGEST_MANIFEST {
            return Err(large());
        }
        bytes.extend_from_slice(&piece);
    }
    Ok(bytes.into())
}

/// The media type that a manifest was pushed with, when the document does not say it and its shape says another.
fn unusual_type(headers: &HeaderMap, bytes: &[u8], guessed: &str) -> Option<String> {
    let pushed = headers.get(header::CONTENT_TYPE)?.to_str().ok()?.split(';').next()?.trim();
    let own = serde_json::from_slice::<serde_json::Value>(bytes).ok()?.get("mediaType").is_some();
    let usual = [OCI_MANIFEST, OCI_INDEX, DOCKER_MANIFEST, DOCKER_LIST].contains(&pushed);
    (!own && usual && pushed != guessed).then(|| pushed.to_owned())
}

fn length(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

async fn open(state: &Arc<State>, repository: &Repository, id: String) -> Result<(Upload, Busy), Refusal> {
    let mut claimed = Busy::claim(state, &id);
    // After a cut connection the request that it carried is over in a moment.
    for _ in 0..WAITS_FOR_OTHERS {
        if claimed.is_none() {
            tokio::time::sleep(Duration::from_millis(50)).await;
            claimed = Busy::claim(state, &id);
        }
    }
    let busy = claimed.ok_or_else(|| {
        Refusal::new(StatusCode::CONFLICT, "BLOB_UPLOAD_INVALID", "another request works on this upload")
    })?;
    let repository = repository.clone();
    let upload = blocking(state, move |store| store.open_upload(&repository, &id)).await?;
    Ok((upload.ok_or_else(Refusal::unknown_upload)?, busy))
}

/// Refuses a piece that does not begin where the upload ends, or is not as long as it says.
fn in_order(headers: &HeaderMap, repository: &Repository, upload: &Upload) -> Result<(), Refusal> {
    let Some(range) = headers.get(header::CONTENT_RANGE) else { return Ok(()) };
    let invalid = |why: &str| Refusal::new(StatusCode::BAD_REQUEST, "BLOB_UPLOAD_INVALID", why);
    let range = range.to_str().ok().and_then(content_range);
    let (start, end) = range.ok_or_else(|| invalid("Content-Range is not `first-last`"))?;
    if start != upload.offset() {
        let status = StatusCode::RANGE_NOT_SATISFIABLE;
        let refusal = Refusal::new(status, "BLOB_UPLOAD_INVALID", "not where the upload ends");
        let refusal = refusal.with(header::LOCATION, location(repository, upload));
        return Err(refusal.with(header::RANGE, so_far(upload)));
    }
    match length(headers) {
        Some(length) if length != end - start + 1 => Err(Refusal::new(
            StatusCode::BAD_REQUEST,
            "SIZE_INVALID",
            "Content-Length is not the length of Content-Range",
        )),
        _ => Ok(()),
    }
}

/// Writes a body to an upload. What came before a break stays.
async fn receive(state: &Arc<State>, mut upload: Upload, body: Body) -> Result<Upload, Refusal> {
    // Two pieces: one is written while the next arrives. More would only be memory.
    let (to_disk, mut pieces) = mpsc::channel::<Bytes>(1);
    let writer = tokio::task::spawn_blocking(move || {
        while let Some(piece) = pieces.blocking_recv() {
            upload.append(&piece)?;
        }
        Ok::<_, RegistryError>(upload)
    });
    let mut body = Pieces::new(body, state.limits.idle);
    let mut broken = None;
    loop {
        match body.next().await {
            Ok(Some(piece)) => {
                state.metrics.received(piece.len() as u64);
                // The writer only hangs up when writing failed, and then says why below.
                if to_disk.send(piece).await.is_err() {
                    break;
                }
            }
            Ok(None) => break,
            Err(refusal) => {
                broken = Some(refusal);
                break;
            }
        }
    }
    drop(to_disk);
    let upload = writer.await??;
    broken.map_or(Ok(upload), Err)
}

async fn finish(repository: &Repository, upload: Upload, digest: Digest) -> Result<Response, Refusal> {
    let wanted = digest.clone();
    tokio::task::spawn_blocking(move || upload.finish(&wanted, "the upload")).await??;
    Ok(created(&format!("/v2/{repository}/blobs/{digest}"), &digest))
}

fn created(location: &str, digest: &Digest) -> Response {
    let mut response = answer(StatusCode::CREATED, Body::empty());
    set(&mut response, header::LOCATION, location);
    set(&mut response, CONTENT_DIGEST, &digest.to_string());
    response
}

fn progress(status: StatusCode, repository: &Repository, upload: &Upload) -> Response {
    let mut response = answer(status, Body::empty());
    set(&mut response, header::LOCATION, &location(repository, upload));
    set(&mut response, header::RANGE, &so_far(upload));
    set(&mut response, UPLOAD_ID, upload.id());
    response
}

fn location(repository: &Repository, upload: &Upload) -> String {
    format!("/v2/{repository}/blobs/uploads/{}", upload.id())
}

fn so_far(upload: &Upload) -> String {
    format!("0-{}", upload.offset().saturating_sub(1))
}
