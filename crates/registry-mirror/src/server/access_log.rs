//! One JSON line per request, written when its answer is sent or given up.

use std::fs::File;
use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant, SystemTime};

use axum::body::{Body, Bytes, HttpBody};
use axum::http::{Method, StatusCode, Uri};
use http_body::{Frame, SizeHint};
use serde::Serialize;

use super::metrics::Metrics;
use crate::RegistryError;

/// The log file, or none.
#[derive(Debug, Clone, Default)]
pub(super) struct AccessLog(Option<Arc<Mutex<File>>>);

impl AccessLog {
    pub(super) fn open(path: Option<&Path>) -> Result<Self, RegistryError> {
        let Some(path) = path else { return Ok(Self(None)) };
        let open = || {
            std::fs::create_dir_all(path.parent().unwrap_or(Path::new(".")))?;
            File::options().create(true).append(true).open(path)
        };
        let file = open().map_err(RegistryError::file(path, "write"))?;
        Ok(Self(Some(Arc::new(Mutex::new(file)))))
    }

    fn write(&self, line: impl FnOnce() -> Line) {
        let Some(file) = &self.0 else { return };
        let Ok(mut text) = serde_json::to_string(&line()) else { return };
        text.push('\n');
        // A full disk must not stop the registry from answering.
        let _ = file.lock().unwrap_or_else(PoisonError::into_inner).write_all(text.as_bytes());
    }
}

#[derive(Serialize)]
struct Line {
    time: String,
    remote: String,
    method: String,
    path: String,
    status: u16,
    bytes: u64,
    ms: u64,
}

/// A request whose answer is under way. Logged and counted when dropped.
pub(super) struct Request {
    log: AccessLog,
    metrics: Arc<Metrics>,
    remote: SocketAddr,
    method: Method,
    uri: Uri,
    route: &'static str,
    begun: Instant,
    status: StatusCode,
    bytes: u64,
}

impl Request {
    pub(super) fn new(log: AccessLog, metrics: Arc<Metrics>, remote: SocketAddr, method: Method, uri: Uri) -> Self {
        metrics.began();
        let (route, begun, status) = ("other", Instant::now(), StatusCode::OK);
        Self { log, metrics, remote, method, uri, route, begun, status, bytes: 0 }
    }

    /// The kind of path, once it is known.
    pub(super) fn is_for(&mut self, route: &'static str) {
        self.route = route;
    }

    /// The body that counts what is sent of `body`.
    pub(super) fn count(mut self, status: StatusCode, body: Body) -> Body {
        self.status = status;
        Body::new(Counted { request: self, body })
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        let took = self.begun.elapsed();
        let method = match self.method.as_str() {
            "GET" => "GET",
            "HEAD" => "HEAD",
            "PUT" => "PUT",
            "POST" => "POST",
            "PATCH" => "PATCH",
            "DELETE" => "DELETE",
            _ => "other",
        };
        self.metrics.ended(method, self.route, self.status.as_u16(), self.bytes, took);
        self.log.write(|| Line {
            time: httpdate::fmt_http_date(SystemTime::now()),
            remote: self.remote.to_string(),
            method: self.method.to_string(),
            path: self.uri.path_and_query().map(ToString::to_string).unwrap_or_default(),
            status: self.status.as_u16(),
            bytes: self.bytes,
            ms: u64::try_from(Duration::as_millis(&took)).unwrap_or(u64::MAX),
        });
    }
}

struct Counted {
    request: Request,
    body: Body,
}

impl HttpBody for Counted {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        if let Poll::Ready(Some(Ok(frame))) = &polled {
            self.request.bytes += frame.data_ref().map_or(0, |data| data.len() as u64);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
