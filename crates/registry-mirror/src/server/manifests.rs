//! Manifests that were asked for lately, in memory. Content never changes under its digest, so an entry is never old;
//! whether a repository has it is looked up on disk for every request.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use axum::body::Bytes;

use crate::Digest;

/// Bytes of all entries.
const CAPACITY: usize = 8 << 20;

/// A manifest and its media type.
#[derive(Debug, Clone)]
pub(super) struct Cached {
    pub(super) bytes: Bytes,
    pub(super) media_type: String,
}

/// The entries, and how many bytes they are.
#[derive(Debug, Default)]
pub(super) struct Manifests(Mutex<(HashMap<Digest, Cached>, usize)>);

impl Manifests {
    pub(super) fn get(&self, digest: &Digest) -> Option<Cached> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).0.get(digest).cloned()
    }

    pub(super) fn put(&self, digest: Digest, cached: Cached) {
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let size = cached.bytes.len();
        if entries.1 + size > CAPACITY {
            // Rare, and what is still wanted is back with its next request.
            *entries = (HashMap::new(), 0);
        }
        if size <= CAPACITY && entries.0.insert(digest, cached).is_none() {
            entries.1 += size;
        }
    }
}
