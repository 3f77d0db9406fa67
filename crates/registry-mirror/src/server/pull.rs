//! Manifests and blobs out of the store.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderName, Method, StatusCode, header};
use axum::response::Response;
use futures_util::stream;

use super::answer::{Refusal, answer, set};
use super::range::{Range, requested};
use super::route::Reference;
use super::{State, blocking};
use crate::store::Manifest;
use crate::{Digest, Repository};

pub(super) const CONTENT_DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");
/// One read from disk, and one piece of a body. Small pieces cost a thread hop and a TLS record each.
const PIECE: u64 = 512 << 10;

pub(super) async fn manifest(
    state: &Arc<State>,
    repository: Repository,
    reference: Reference,
    headers: &HeaderMap,
) -> Result<Response, Refusal> {
    let found = blocking(state, move |store| {
        let digest = match reference {
            Reference::Digest(digest) => Some(digest),
            Reference::Tag(tag) => store.resolve(&repository, &tag)?,
        };
        let Some(digest) = digest else { return Ok(None) };
        Ok(store.manifest(&repository, &digest)?.map(|bytes| (digest, bytes)))
    });
    let (digest, bytes) = found.await?.ok_or_else(Refusal::unknown_manifest)?;
    let media_type = Manifest::parse(&bytes).map(|m| m.media_type).unwrap_or_default();
    if unchanged(headers, &digest) {
        return Ok(described(answer(StatusCode::NOT_MODIFIED, Body::empty()), &digest));
    }
    let mut response = described(answer(StatusCode::OK, Body::from(bytes)), &digest);
    set(&mut response, header::CONTENT_TYPE, &media_type);
    Ok(response)
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
    let opened = blocking(state, move |store| match store.repository_blob(&repository, &wanted) {
        Some(size) => Ok(Some((store.open_blob(&wanted)?, size))),
        None => Ok(None),
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
    let body = if method == Method::HEAD { Body::empty() } else { pieces(file, start, length) };
    let mut response = described(answer(status, body), &digest);
    set(&mut response, header::CONTENT_TYPE, "application/octet-stream");
    set(&mut response, header::ACCEPT_RANGES, "bytes");
    set(&mut response, header::CONTENT_LENGTH, &length.to_string());
    if status == StatusCode::PARTIAL_CONTENT {
        set(&mut response, header::CONTENT_RANGE, &format!("bytes {start}-{}/{size}", start + length - 1));
    }
    Ok(response)
}

/// A part of a file as a body, read piece by piece on the blocking threads.
fn pieces(file: File, start: u64, length: u64) -> Body {
    Body::from_stream(stream::try_unfold((file, start, length), |(file, at, left)| async move {
        if left == 0 {
            return Ok(None);
        }
        let read = move || {
            let (mut file, wanted) = (file, left.min(PIECE));
            file.seek(SeekFrom::Start(at))?;
            let mut piece = Vec::with_capacity(wanted as usize);
            (&file).take(wanted).read_to_end(&mut piece)?;
            if (piece.len() as u64) < wanted {
                return Err(std::io::Error::from(std::io::ErrorKind::UnexpectedEof));
            }
            Ok((file, piece))
        };
        let (file, piece) = tokio::task::spawn_blocking(read).await.map_err(std::io::Error::other)??;
        let n = piece.len() as u64;
        Ok::<_, std::io::Error>(Some((Bytes::from(piece), (file, at + n, left - n))))
    }))
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
