//! Manifests and blobs out of the store.

use std::sync::Arc;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, Method, StatusCode, header};
use axum::response::Response;

use super::answer::{Refusal, answer, set};
use super::manifests::Cached;
use super::range::{Range, requested};
use super::route::Reference;
use super::{State, blocking};
use crate::store::Manifest;
use crate::{Digest, RegistryError, Repository};

pub(super) const CONTENT_DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");
pub(super) async fn manifest(
    state: &Arc<State>,
    method: &Method,
    repository: Repository,
    reference: Reference,
    headers: &HeaderMap,
) -> Result<Response, Refusal> {
    // Two short files that are asked for all the time: a hop to another thread would cost more than reading them.
    let digest = match reference {
        Reference::Digest(digest) => digest,
        Reference::Tag(tag) => state.store.resolve(&repository, &tag)?.ok_or_else(Refusal::unknown_manifest)?,
    };
    // Who asks without fetching is about to push what refers to it.
    let there = match *method {
        Method::HEAD if !state.read_only => state.store.rely_on_manifest(&repository, &digest)?,
        _ => state.store.has_manifest(&repository, &digest),
    };
    if !there {
        return Err(Refusal::unknown_manifest());
    }
    if unchanged(headers, &digest) {
        return Ok(described(answer(StatusCode::NOT_MODIFIED, Body::empty()), &digest));
    }
    let cached = match state.manifests.get(&digest) {
        Some(cached) => cached,
        None => {
            let cached = read(state, repository, digest.clone()).await?.ok_or_else(Refusal::unknown_manifest)?;
            state.manifests.put(digest.clone(), cached.clone());
            cached
        }
    };
    let mut response = described(answer(StatusCode::OK, Body::from(cached.bytes)), &digest);
    set(&mut response, header::CONTENT_TYPE, &cached.media_type);
    Ok(response)
}

async fn read(state: &Arc<State>, repository: Repository, digest: Digest) -> Result<Option<Cached>, Refusal> {
    let read = blocking(state, move |store| {
        let Some(bytes) = store.manifest(&repository, &digest)? else { return Ok(None) };
        let got =
            Digest::of_reader(digest.algorithm(), &bytes[..]).map_err(RegistryError::file(store.root(), "read"))?.0;
        if got != digest {
            // Never handed out under a name that it is not.
            let damaged = std::io::Error::other(format!("manifest {digest} is damaged"));
            return Err(RegistryError::file(store.root(), "read")(damaged));
        }
        let media_type = store.media_type(&repository, &digest);
        let media_type = media_type.or_else(|| Manifest::parse(&bytes).ok().map(|m| m.media_type)).unwrap_or_default();
        Ok(Some(Cached { bytes: bytes.into(), media_type }))
    });
    read.await
}

pub(super) async fn blob(
    state: &Arc<State>,
    method: &Method,
    repository: Repository,
    digest: Digest,
    headers: &HeaderMap,
) -> Result<Response, Refusal> {
    if unchanged(headers, &digest) {
        return Ok(described(answer(StatusCode::NOT_MODIFIED, Body::empty()), &digest));
    }
    let wanted = digest.clone();
    let head = method == Method::HEAD && !state.read_only;
    let opened = blocking(state, move |store| {
        // Who asks without fetching is about to push what refers to it.
        let size =
            if head { store.relied_on(&repository, &wanted)? } else { store.repository_blob(&repository, &wanted) };
        size.map(|size| Ok((store.open_blob(&wanted)?, size))).transpose()
    });
    let (file, size) = opened.await?.ok_or_else(Refusal::unknown_blob)?;
    let range = headers.get(header::RANGE).and_then(|v| v.to_str().ok()).filter(|_| if_range(headers, &digest));
    let (status, start, length) = match range.map_or(Range::Whole, |r| requested(r, size)) {
        Range::Whole => (StatusCode::OK, 0, size),
        Range::Part { start, length } => (StatusCode::PARTIAL_CONTENT, start, length),
        Range::Outside => {
            return Err(Refusal::new(StatusCode::RANGE_NOT_SATISFIABLE, "SIZE_INVALID", "range outside of the blob")
                .with(header::CONTENT_RANGE, format!("bytes */{size}")));
        }
    };
    let body = if method == Method::HEAD { Body::empty() } else { state.pool.body(file, start, length) };
    let mut response = described(answer(status, body), &digest);
    set(&mut response, header::CONTENT_TYPE, "application/octet-stream");
    set(&mut response, header::ACCEPT_RANGES, "bytes");
    set(&mut response, header::CONTENT_LENGTH, &length.to_string());
    if status == StatusCode::PARTIAL_CONTENT {
        set(&mut response, header::CONTENT_RANGE, &format!("bytes {start}-{}/{size}", start + length - 1));
    }
    Ok(response)
}

fn described(mut response: Response, digest: &Digest) -> Response {
    set(&mut response, CONTENT_DIGEST, &digest.to_string());
    set(&mut response, header::ETAG, &format!("\"{digest}\""));
    response
}

fn unchanged(headers: &HeaderMap, digest: &Digest) -> bool {
    let tags = headers.get(header::IF_NONE_MATCH).and_then(|v| v.to_str().ok());
    let same = |tag: &str| tag == "*" || tag.trim_start_matches("W/").trim_matches('"') == digest.to_string();
    tags.is_some_and(|tags| tags.split(',').any(|tag| same(tag.trim())))
}

/// Content never changes under its digest: only another `If-Range` tag asks for the whole blob.
fn if_range(headers: &HeaderMap, digest: &Digest) -> bool {
    let tag = headers.get(header::IF_RANGE).and_then(|v| v.to_str().ok());
    tag.is_none_or(|tag| tag.trim_matches('"') == digest.to_string())
}
