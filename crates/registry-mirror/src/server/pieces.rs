//! A part of a file as a body, read piece by piece on the blocking threads into buffers that are used again.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::{Body, Bytes};
use futures_util::stream;

/// One read from disk, and one piece of a body. Small pieces cost a thread hop each, large ones the processor's cache.
const PIECE: usize = 256 << 10;
/// Buffers that are kept when nobody reads.
const KEPT: usize = 32;

/// Buffers of [`PIECE`] bytes. New memory from the system for every piece would cost as much as reading it.
#[derive(Debug, Clone, Default)]
pub(super) struct Pool(Arc<Mutex<Vec<Vec<u8>>>>);

/// A buffer that goes back to the pool when the last piece of it is sent.
struct Lent {
    pool: Pool,
    bytes: Vec<u8>,
    filled: usize,
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        &self.bytes[..self.filled]
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let bytes = std::mem::take(&mut self.bytes);
        let mut kept = self.pool.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() < KEPT {
            kept.push(bytes);
        }
    }
}

impl Pool {
    fn lend(&self) -> Lent {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        Lent { pool: self.clone(), bytes: kept.unwrap_or_else(|| vec![0; PIECE]), filled: 0 }
    }

    /// `length` bytes of a file from `start` on.
    pub(super) fn body(&self, file: File, start: u64, length: u64) -> Body {
        let pool = self.clone();
        Body::from_stream(stream::try_unfold((file, Some(start), length), move |(mut file, start, left)| {
            let pool = pool.clone();
            async move {
                if left == 0 {
                    return Ok(None);
                }
                let read = move || {
                    if let Some(start) = start {
                        file.seek(SeekFrom::Start(start))?;
                    }
                    let mut lent = pool.lend();
                    let wanted = usize::try_from(left).unwrap_or(PIECE).min(PIECE);
                    file.read_exact(&mut lent.bytes[..wanted])?;
                    lent.filled = wanted;
                    Ok::<_, io::Error>((file, Bytes::from_owner(lent)))
                };
                let (file, piece) = tokio::task::spawn_blocking(read).await.map_err(io::Error::other)??;
                let left = left - piece.len() as u64;
                Ok::<_, io::Error>(Some((piece, (file, None, left))))
            }
        }))
    }
}
