//! Blobs and manifests into the store.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::Response;
use futures_util::StreamExt;
use tokio::sync::mpsc;

use super::answer::{Refusal, answer, set};
use super::pull::CONTENT_DIGEST;
use super::query::Query;
use super::route::Reference;
use super::{Busy, State, blocking};
use crate::digest::Algorithm;
use crate::store::{Manifest, Upload};
use crate::{Digest, RegistryError, Repository};

const UPLOAD_ID: HeaderName = HeaderName::from_static("docker-upload-uuid");
const OCI_SUBJECT: HeaderName = HeaderName::from_static("oci-subject");
/// The specification asks for at least 4 MiB.
const LARGEST_MANIFEST: usize = 4 << 20;

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
                Some(from) => store.repository_blob(&from, &wanted).is_some(),
                None => store.blob_size(&wanted).is_some(),
            };
            if there {
                store.link_blob(&target, &wanted)?;
            }
            Ok(there)
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
            match receive(upload, body).await {
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
    let upload = receive(upload, body).await?;
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
    let upload = receive(upload, body).await?;
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
    body: Body,
) -> Result<Response, Refusal> {
    let bytes = axum::body::to_bytes(body, LARGEST_MANIFEST)
        .await
        .map_err(|e| Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "SIZE_INVALID", e.to_string()))?;
    let manifest = Manifest::parse(&bytes).map_err(Refusal::manifest)?;
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
            store.repository_blob(&target, &digest).is_none().then_some(digest)
        });
        if missing.is_none() {
            store.put_manifest(&target, tag.as_ref(), &kept, &bytes, of.as_ref())?;
        }
        Ok(missing)
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

async fn open(state: &Arc<State>, repository: &Repository, id: String) -> Result<(Upload, Busy), Refusal> {
    let busy = Busy::claim(state, &id).ok_or_else(|| {
        Refusal::new(StatusCode::CONFLICT, "BLOB_UPLOAD_INVALID", "another request works on this upload")
    })?;
    let repository = repository.clone();
    let upload = blocking(state, move |store| store.open_upload(&repository, &id)).await?;
    Ok((upload.ok_or_else(Refusal::unknown_upload)?, busy))
}

/// Refuses a piece that does not begin where the upload ends.
fn in_order(headers: &HeaderMap, repository: &Repository, upload: &Upload) -> Result<(), Refusal> {
    let Some(range) = headers.get(header::CONTENT_RANGE).and_then(|v| v.to_str().ok()) else { return Ok(()) };
    let start = range.trim_start_matches("bytes ").split('-').next().and_then(|s| s.parse::<u64>().ok());
    if start == Some(upload.offset()) {
        return Ok(());
    }
    let refusal = Refusal::new(StatusCode::RANGE_NOT_SATISFIABLE, "BLOB_UPLOAD_INVALID", "not where the upload ends");
    Err(refusal.with(header::LOCATION, location(repository, upload)).with(header::RANGE, so_far(upload)))
}

/// Writes a body to an upload. What came before a break stays.
async fn receive(mut upload: Upload, body: Body) -> Result<Upload, Refusal> {
    let (to_disk, mut pieces) = mpsc::channel::<Bytes>(32);
    let writer = tokio::task::spawn_blocking(move || {
        while let Some(piece) = pieces.blocking_recv() {
            upload.append(&piece)?;
        }
        Ok::<_, RegistryError>(upload)
    });
    let mut body = body.into_data_stream();
    let mut broken = None;
    while let Some(piece) = body.next().await {
        let piece = match piece {
            Ok(piece) => piece,
            Err(error) => {
                broken = Some(Refusal::broken_body(error));
                break;
            }
        };
        // The writer only hangs up when writing failed, and then says why below.
        if to_disk.send(piece).await.is_err() {
            break;
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
