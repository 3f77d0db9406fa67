//! Every distinct blob of a run: who has it, so that nobody moves it twice.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use crate::{Digest, Repository};

/// The repositories of the target that have a blob. Whoever moves it holds the lock, and others wait.
pub(super) type Homes = Arc<tokio::sync::Mutex<BTreeSet<Repository>>>;

/// The blobs of one run.
#[derive(Debug, Default)]
pub(super) struct Blobs {
    all: Mutex<HashMap<Digest, Homes>>,
}

impl Blobs {
    /// A blob's entry, and whether this is the first time that it is asked for.
    pub(super) fn entry(&self, digest: &Digest) -> (Homes, bool) {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        let new = !all.contains_key(digest);
        (all.entry(digest.clone()).or_default().clone(), new)
    }

    /// Takes note that a repository has a blob.
    pub(super) async fn known(&self, digest: &Digest, repository: &Repository) {
        let (homes, _) = self.entry(digest);
        homes.lock().await.insert(repository.clone());
    }
}
