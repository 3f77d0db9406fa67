//! Bodies as they arrive, or do not.

use std::time::Duration;

use axum::body::{Body, BodyDataStream, Bytes};
use axum::http::StatusCode;
use futures_util::StreamExt;
use tokio::time::{Instant, timeout_at};

use super::answer::Refusal;

/// What must come within the limit.
const LEAST: usize = 1 << 10;

/// The pieces of a body. A client that sends less than [`LEAST`] bytes within `idle` is not waited for any longer.
pub(super) struct Pieces {
    body: BodyDataStream,
    idle: Duration,
    until: Instant,
    since: usize,
}

impl Pieces {
    pub(super) fn new(body: Body, idle: Duration) -> Self {
        Self { body: body.into_data_stream(), idle, until: Instant::now() + idle, since: 0 }
    }

    /// The next piece; none at the end.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, Refusal> {
        let late = || Refusal::new(StatusCode::REQUEST_TIMEOUT, "BLOB_UPLOAD_INVALID", "the body came too slowly");
        let piece = timeout_at(self.until, self.body.next()).await.map_err(|_| late())?;
        let Some(piece) = piece.transpose().map_err(Refusal::broken_body)? else { return Ok(None) };
        self.since += piece.len();
        if self.since >= LEAST {
            (self.until, self.since) = (Instant::now() + self.idle, 0);
        }
        Ok(Some(piece))
    }
}
