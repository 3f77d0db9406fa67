//! How much has been moved, how much there is, and how fast it may go.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::Mutex;

/// Counts of one run.
#[derive(Debug, Default)]
pub(super) struct Meter {
    bytes: AtomicU64,
    total: AtomicU64,
    blobs: AtomicU64,
    reused: AtomicU64,
    images: AtomicU64,
}

impl Meter {
    /// Bytes that are now known to be needed.
    pub(super) fn need(&self, bytes: u64) {
        self.total.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Bytes that are no longer needed, since they are there.
    pub(super) fn spare(&self, bytes: u64) {
        self.total.fetch_sub(bytes, Ordering::Relaxed);
    }

    pub(super) fn moved(&self, bytes: u64) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(super) fn blob(&self) {
        self.blobs.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn reuse(&self) {
        self.reused.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn image(&self) {
        self.images.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    pub(super) fn total(&self) -> u64 {
        self.total.load(Ordering::Relaxed)
    }

    pub(super) fn blobs(&self) -> u64 {
        self.blobs.load(Ordering::Relaxed)
    }

    pub(super) fn reused(&self) -> u64 {
        self.reused.load(Ordering::Relaxed)
    }

    pub(super) fn images(&self) -> u64 {
        self.images.load(Ordering::Relaxed)
    }
}

/// Keeps everything together below a number of bytes per second.
#[derive(Debug)]
pub(super) struct Limit {
    rate: f64,
    /// When the bytes let through so far are over at that rate.
    free: Mutex<Instant>,
}

/// How much may go at once after a pause.
const BURST: Duration = Duration::from_millis(200);

impl Limit {
    pub(super) fn new(bytes_per_second: u64) -> Self {
        Self { rate: bytes_per_second.max(1) as f64, free: Mutex::new(Instant::now()) }
    }

    /// Waits until so many more bytes are within the limit.
    pub(super) async fn take(&self, bytes: usize) {
        let until = {
            let mut free = self.free.lock().await;
            let start = (*free).max(Instant::now().checked_sub(BURST).unwrap_or(*free));
            *free = start + Duration::from_secs_f64(bytes as f64 / self.rate);
            *free
        };
        tokio::time::sleep_until(until.into()).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn several_together_stay_below_the_limit() {
        let limit = Limit::new(1_000_000);
        let begun = Instant::now();
        let take = async || {
            for _ in 0..5 {
                limit.take(50_000).await;
            }
        };
        tokio::join!(take(), take());
        let took = begun.elapsed();
        assert!((Duration::from_millis(290)..Duration::from_secs(2)).contains(&took), "{took:?}");
    }
}
