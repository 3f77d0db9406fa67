//! What a mirror run did.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::{Digest, RegistryError};

/// What became of one image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It was not there and is now.
    New,
    /// It was there, complete; nothing was written.
    Present,
    /// It was there in another version or incomplete.
    Changed,
}

/// What a mirror run did, by image reference.
#[derive(Debug, Default)]
pub struct MirrorReport {
    /// Images that were not there before.
    pub new: Vec<String>,
    /// Images that were there, complete.
    pub present: Vec<String>,
    /// Images that were there in another version or incomplete.
    pub changed: Vec<String>,
    /// Images that no source could give; the error is that of the last source.
    pub failed: Vec<(String, RegistryError)>,
    /// The digest of every image that is there now.
    pub digests: BTreeMap<String, Digest>,
    /// Images whose index was replaced by one with fewer platforms, and the digest that it had.
    pub rewritten: BTreeMap<String, Digest>,
    /// Blobs that were moved.
    pub blobs: u64,
    /// Blobs that other repositories of the target had already.
    pub reused: u64,
    /// Bytes that were moved.
    pub bytes: u64,
}

/// One image that is there now.
pub(super) struct Done {
    pub(super) outcome: Outcome,
    pub(super) digest: Digest,
    /// The source's digest, where the index was replaced.
    pub(super) was: Option<Digest>,
}

impl MirrorReport {
    /// The report, or the first failure.
    ///
    /// # Errors
    /// The first of [`failed`](Self::failed).
    pub fn complete(mut self) -> Result<Self, RegistryError> {
        if self.failed.is_empty() { Ok(self) } else { Err(self.failed.swap_remove(0).1) }
    }

    /// This report and another one.
    pub fn and(mut self, other: Self) -> Self {
        self.new.extend(other.new);
        self.present.extend(other.present);
        self.changed.extend(other.changed);
        self.failed.extend(other.failed);
        self.digests.extend(other.digests);
        self.rewritten.extend(other.rewritten);
        self.blobs += other.blobs;
        self.reused += other.reused;
        self.bytes += other.bytes;
        self
    }

    pub(super) fn add(&mut self, reference: String, result: Result<Done, RegistryError>) {
        let done = match result {
            Ok(done) => done,
            Err(error) => return self.failed.push((reference, error)),
        };
        self.digests.insert(reference.clone(), done.digest);
        self.rewritten.extend(done.was.map(|was| (reference.clone(), was)));
        match done.outcome {
            Outcome::New => self.new.push(reference),
            Outcome::Present => self.present.push(reference),
            Outcome::Changed => self.changed.push(reference),
        }
    }

    /// In the order in which the images were asked for, whatever was done first.
    pub(super) fn sort(&mut self, order: &[String]) {
        let place = |reference: &String| order.iter().position(|r| r == reference).unwrap_or(usize::MAX);
        for list in [&mut self.new, &mut self.present, &mut self.changed] {
            list.sort_by_key(place);
        }
        self.failed.sort_by_key(|(reference, _)| place(reference));
    }
}
