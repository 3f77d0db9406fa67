//! One JSON line per request, written when its answer is sent or given up.

use std::fs::File;
use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant, SystemTime};

use axum::body::{Body, BodyDataStream, Bytes};
use axum::http::{Method, StatusCode, Uri};
use futures_util::Stream;
use serde::Serialize;

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

    fn write(&self, line: &Line<'_>) {
        let Some(file) = &self.0 else { return };
        let Ok(mut text) = serde_json::to_string(line) else { return };
        text.push('\n');
        // A full disk must not stop the registry from answering.
        let _ = file.lock().unwrap_or_else(PoisonError::into_inner).write_all(text.as_bytes());
    }
}

#[derive(Serialize)]
struct Line<'a> {
    time: String,
    remote: String,
    method: &'a str,
    path: String,
    status: u16,
    bytes: u64,
    ms: u64,
}

/// A request whose answer is under way. Logged when dropped.
pub(super) struct Request {
    log: AccessLog,
    remote: SocketAddr,
    method: Method,
    uri: Uri,
    begun: Instant,
    status: StatusCode,
    bytes: u64,
}

impl Request {
    pub(super) fn new(log: AccessLog, remote: SocketAddr, method: Method, uri: Uri) -> Self {
        Self { log, remote, method, uri, begun: Instant::now(), status: StatusCode::OK, bytes: 0 }
    }

    /// The body that counts what is sent of `body`.
    pub(super) fn count(mut self, status: StatusCode, body: Body) -> Body {
        self.status = status;
        Body::from_stream(Counted { request: self, body: body.into_data_stream() })
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        self.log.write(&Line {
            time: httpdate::fmt_http_date(SystemTime::now()),
            remote: self.remote.to_string(),
            method: self.method.as_str(),
            path: self.uri.path_and_query().map(ToString::to_string).unwrap_or_default(),
            status: self.status.as_u16(),
            bytes: self.bytes,
            ms: u64::try_from(Duration::as_millis(&self.begun.elapsed())).unwrap_or(u64::MAX),
        });
    }
}

struct Counted {
    request: Request,
    body: BodyDataStream,
}

impl Stream for Counted {
    type Item = Result<Bytes, axum::Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let polled = Pin::new(&mut self.body).poll_next(cx);
        if let Poll::Ready(Some(Ok(bytes))) = &polled {
            self.request.bytes += bytes.len() as u64;
        }
        polled
    }
}
