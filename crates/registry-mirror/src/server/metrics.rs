//! Counters in Prometheus' text format.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::Collected;

/// What happened since the start.
#[derive(Debug, Default)]
pub(super) struct Metrics {
    /// By method, kind of path and status.
    requests: Mutex<BTreeMap<(&'static str, &'static str, u16), Requests>>,
    in_flight: AtomicU64,
    received: AtomicU64,
    turned_away: AtomicU64,
    collections: AtomicU64,
    collected_blobs: AtomicU64,
    collected_bytes: AtomicU64,
}

#[derive(Debug, Default, Clone, Copy)]
struct Requests {
    count: u64,
    bytes: u64,
    time: Duration,
}

impl Metrics {
    pub(super) fn began(&self) {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn ended(&self, method: &'static str, route: &'static str, status: u16, bytes: u64, time: Duration) {
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
        let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = requests.entry((method, route, status)).or_default();
        entry.count += 1;
        entry.bytes += bytes;
        entry.time += time;
    }

    pub(super) fn received(&self, bytes: u64) {
        self.received.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(super) fn turned_away(&self) {
        self.turned_away.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn collected(&self, collected: &Collected) {
        self.collections.fetch_add(1, Ordering::Relaxed);
        self.collected_blobs.fetch_add(collected.blobs as u64, Ordering::Relaxed);
        self.collected_bytes.fetch_add(collected.bytes, Ordering::Relaxed);
    }

    pub(super) fn render(&self) -> String {
        let mut text = String::new();
        let requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut family = |name: &str, kind: &str, help: &str, value: &dyn Fn(&Requests) -> String| {
            let _ = write!(text, "# HELP registry_{name} {help}\n# TYPE registry_{name} {kind}\n");
            for ((method, route, status), requests) in &requests {
                let labels = format!("method=\"{method}\",route=\"{route}\",status=\"{status}\"");
                let _ = writeln!(text, "registry_{name}{{{labels}}} {}", value(requests));
            }
        };
        family("requests_total", "counter", "Answers.", &|r| r.count.to_string());
        family("sent_bytes_total", "counter", "Bytes of answers.", &|r| r.bytes.to_string());
        family("request_seconds_total", "counter", "Time until the last byte was sent.", &|r| {
            format!("{:.6}", r.time.as_secs_f64())
        });
        let single = [
            ("in_flight", "gauge", "Requests under way.", &self.in_flight),
            ("received_bytes_total", "counter", "Bytes of blobs received.", &self.received),
            ("connections_refused_total", "counter", "Connections over the limit.", &self.turned_away),
            ("garbage_collections_total", "counter", "Collections of garbage.", &self.collections),
            ("garbage_blobs_total", "counter", "Blobs removed as garbage.", &self.collected_blobs),
            ("garbage_bytes_total", "counter", "Their bytes.", &self.collected_bytes),
        ];
        for (name, kind, help, value) in single {
            let value = value.load(Ordering::Relaxed);
            let _ =
                write!(text, "# HELP registry_{name} {help}\n# TYPE registry_{name} {kind}\nregistry_{name} {value}\n");
        }
        text
    }
}
