//! Answers: status, headers and the specification's error bodies.

use std::io::ErrorKind;

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use serde_json::json;

use super::route::NoRoute;
use crate::RegistryError;

/// An answer that says what went wrong (OCI distribution specification, "Error Codes").
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    code: &'static str,
    message: String,
    headers: Vec<(header::HeaderName, String)>,
}

impl Refusal {
    pub(super) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), headers: Vec::new() }
    }

    pub(super) fn with(mut self, name: header::HeaderName, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub(super) fn unknown_blob() -> Self {
        Self::new(StatusCode::NOT_FOUND, "BLOB_UNKNOWN", "blob unknown to registry")
    }

    pub(super) fn unknown_upload() -> Self {
        Self::new(StatusCode::NOT_FOUND, "BLOB_UPLOAD_UNKNOWN", "upload unknown to registry")
    }

    pub(super) fn unknown_manifest() -> Self {
        Self::new(StatusCode::NOT_FOUND, "MANIFEST_UNKNOWN", "manifest unknown to registry")
    }

    pub(super) fn unknown_name() -> Self {
        Self::new(StatusCode::NOT_FOUND, "NAME_UNKNOWN", "repository unknown to registry")
    }

    pub(super) fn digest(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "DIGEST_INVALID", message)
    }

    pub(super) fn manifest(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "MANIFEST_INVALID", message)
    }

    pub(super) fn method() -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "UNSUPPORTED", "the operation is unsupported")
    }

    pub(super) fn broken_body(why: impl ToString) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "BLOB_UPLOAD_INVALID", why.to_string())
    }
}

impl From<NoRoute> for Refusal {
    fn from(why: NoRoute) -> Self {
        let (status, code, message) = match why {
            NoRoute::Unknown => (StatusCode::NOT_FOUND, "UNSUPPORTED", "no such path"),
            NoRoute::Name => (StatusCode::BAD_REQUEST, "NAME_INVALID", "invalid repository name"),
            NoRoute::Digest => (StatusCode::BAD_REQUEST, "DIGEST_INVALID", "invalid digest"),
            NoRoute::Reference => (StatusCode::BAD_REQUEST, "MANIFEST_INVALID", "invalid tag or digest"),
        };
        Self::new(status, code, message)
    }
}

impl From<RegistryError> for Refusal {
    fn from(error: RegistryError) -> Self {
        match &error {
            RegistryError::DigestMismatch { .. } => Self::digest(error.to_string()),
            RegistryError::File { source, .. } if source.kind() == ErrorKind::StorageFull => {
                tracing::error!(%error, "store");
                Self::new(StatusCode::INSUFFICIENT_STORAGE, "DENIED", "the registry's disk is full")
            }
            _ => {
                tracing::error!(%error, "store");
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, "UNKNOWN", "the store failed")
            }
        }
    }
}

impl From<tokio::task::JoinError> for Refusal {
    fn from(error: tokio::task::JoinError) -> Self {
        tracing::error!(%error, "task");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "UNKNOWN", "the registry failed")
    }
}

impl From<Refusal> for Response {
    fn from(refusal: Refusal) -> Self {
        let body = json!({ "errors": [{ "code": refusal.code, "message": refusal.message, "detail": null }] });
        let mut response = answer(refusal.status, Body::from(body.to_string()));
        set(&mut response, header::CONTENT_TYPE, "application/json");
        for (name, value) in refusal.headers {
            set(&mut response, name, &value);
        }
        response
    }
}

pub(super) fn answer(status: StatusCode, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response
}

pub(super) fn json_answer(body: &serde_json::Value, media_type: &str) -> Response {
    let mut response = answer(StatusCode::OK, Body::from(body.to_string()));
    set(&mut response, header::CONTENT_TYPE, media_type);
    response
}

pub(super) fn text_answer(body: String) -> Response {
    let mut response = answer(StatusCode::OK, Body::from(body));
    set(&mut response, header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8");
    response
}

/// Sets a header; a value that no header can hold is left out.
pub(super) fn set(response: &mut Response, name: header::HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}
