//! What nobody can ask for any more, removed while the store is served and written.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::Path;
use std::time::Duration;

use serde::Serialize;

use super::lease::age;
use super::listing::{digests, names};
use super::{Manifest, Store};
use crate::digest::Algorithm;
use crate::{Digest, RegistryError, Repository};

/// What is garbage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GarbageSpec {
    /// What was written, or asked for by a client that pushes, within this time stays: its manifest may follow.
    pub grace: Duration,
    /// Whether manifests go that no tag leads to, by an index or as a subject.
    pub untagged: bool,
    /// Unfinished uploads that were quiet for this long go, and blobs that a mirror run left half brought.
    pub uploads: Duration,
}

impl Default for GarbageSpec {
    /// An hour of grace, untagged manifests stay, unfinished uploads have a week.
    fn default() -> Self {
        Self { grace: Duration::from_secs(3600), untagged: false, uploads: Duration::from_secs(7 * 24 * 3600) }
    }
}

/// What [`Store::collect_garbage`] removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Collected {
    /// Manifests that no tag led to.
    pub manifests: usize,
    /// Blobs that no manifest of their repository named, per repository.
    pub links: usize,
    /// Contents.
    pub blobs: usize,
    /// Their bytes.
    pub bytes: u64,
    /// Unfinished uploads.
    pub uploads: usize,
    /// Blobs that a mirror run had begun to bring.
    pub partials: usize,
}

impl Store {
    /// Removes what is garbage. Others may push, pull and mirror meanwhile, in this process or another: what they have
    /// just seen or written is young and stays. Blocks for as long as reading every manifest takes.
    ///
    /// ```
    /// let dir = tempfile::tempdir().unwrap();
    /// let store = registry_mirror::Store::open(dir.path())?;
    /// assert_eq!(store.collect_garbage(&registry_mirror::GarbageSpec::default())?.blobs, 0);
    /// # Ok::<(), registry_mirror::RegistryError>(())
    /// ```
    ///
    /// # Errors
    /// [`RegistryError::File`] for a store that cannot be read or written.
    pub fn collect_garbage(&self, spec: &GarbageSpec) -> Result<Collected, RegistryError> {
        let mut collected = Collected::default();
        self.collect_partials(spec, &mut collected)?;
        let repositories = self.repositories_with(&["_manifests", "_layers", "_uploads"])?;
        let mut linked = BTreeSet::new();
        for repository in &repositories {
            self.collect_uploads(repository, spec, &mut collected)?;
            if spec.untagged {
                self.collect_manifests(repository, spec, &mut collected)?;
            }
            self.collect_links(repository, spec, &mut collected)?;
        }
        // Only now: a blob may have been linked meanwhile, and is then also young.
        for repository in &repositories {
            linked.extend(digests(&self.layout.layers(repository))?);
            linked.extend(digests(&self.layout.revisions(repository))?);
        }
        for algorithm in [Algorithm::Sha256, Algorithm::Sha512] {
            let dir = self.layout.blobs().join(algorithm.name());
            for prefix in names(&dir)? {
                for hex in names(&dir.join(prefix))? {
                    let Ok(digest) = format!("{}:{hex}", algorithm.name()).parse::<Digest>() else { continue };
                    if linked.contains(&digest) {
                        continue;
                    }
                    let data = self.layout.blob(&digest);
                    if let Some(size) = self.remove_old(&data, parent(&data), spec.grace)? {
                        collected.blobs += 1;
                        collected.bytes += size;
                    }
                }
            }
        }
        Ok(collected)
    }

    fn collect_links(
        &self,
        repository: &Repository,
        spec: &GarbageSpec,
        collected: &mut Collected,
    ) -> Result<(), RegistryError> {
        let layers = digests(&self.layout.layers(repository))?;
        let mut named = BTreeSet::new();
        for digest in digests(&self.layout.revisions(repository))? {
            let manifest = self.manifest(repository, &digest).ok().flatten();
            // What a damaged manifest named is not known, so all of the repository stays.
            let Some(Ok(manifest)) = manifest.map(|bytes| Manifest::parse(&bytes)) else {
                if self.has_manifest(repository, &digest) {
                    return Ok(());
                }
                continue;
            };
            named.extend(manifest.blobs().iter().filter_map(|blob| blob.digest().ok()));
        }
        for digest in layers.into_iter().filter(|digest| !named.contains(digest)) {
            let link = self.layout.layer_link(repository, &digest);
            collected.links += usize::from(self.remove_old(&link, parent(&link), spec.grace)?.is_some());
        }
        Ok(())
    }

    fn collect_manifests(
        &self,
        repository: &Repository,
        spec: &GarbageSpec,
        collected: &mut Collected,
    ) -> Result<(), RegistryError> {
        let all = digests(&self.layout.revisions(repository))?;
        let mut reached = BTreeSet::new();
        let mut next = Vec::new();
        for tag in self.tags(repository)? {
            // A tag that cannot be read might lead anywhere.
            let Ok(digest) = self.resolve(repository, &tag) else { return Ok(()) };
            next.extend(digest);
        }
        while let Some(digest) = next.pop() {
            if !reached.insert(digest.clone()) {
                continue;
            }
            if let Some(Ok(manifest)) = self.manifest(repository, &digest)?.map(|bytes| Manifest::parse(&bytes)) {
                next.extend(manifest.children().iter().filter_map(|child| child.digest().ok()));
            }
            next.extend(self.referrers(repository, &digest)?.iter().filter_map(|d| d.digest().ok()));
        }
        for digest in all.into_iter().filter(|digest| !reached.contains(digest)) {
            let subject = self.manifest(repository, &digest).ok().flatten();
            let subject = subject.and_then(|bytes| Manifest::parse(&bytes).ok()?.subject?.digest().ok());
            let link = self.layout.revision_link(repository, &digest);
            if self.remove_old(&link, parent(&link), spec.grace)?.is_some() {
                collected.manifests += 1;
                if let Some(subject) = subject {
                    let _ = fs::remove_file(self.layout.referrer(repository, &subject, &digest));
                }
            }
        }
        Ok(())
    }

    fn collect_uploads(
        &self,
        repository: &Repository,
        spec: &GarbageSpec,
        collected: &mut Collected,
    ) -> Result<(), RegistryError> {
        let uploads = self.layout.uploads(repository);
        for name in names(&uploads)? {
            let dir = uploads.join(name);
            let data = fs::metadata(dir.join("data")).or_else(|_| fs::metadata(&dir));
            if data.is_ok_and(|found| age(&found) >= spec.uploads) && fs::remove_dir_all(&dir).is_ok() {
                collected.uploads += 1;
            }
        }
        let _ = fs::remove_dir(&uploads);
        Ok(())
    }

    fn collect_partials(&self, spec: &GarbageSpec, collected: &mut Collected) -> Result<(), RegistryError> {
        let dir = self.partials();
        for name in names(&dir)? {
            let path = dir.join(name);
            let Ok(file) = File::options().write(true).open(&path) else { continue };
            let old = file.metadata().is_ok_and(|found| age(&found) >= spec.uploads);
            // Who is at it holds its lock.
            if old && file.try_lock().is_ok() {
                drop(file);
                collected.partials += usize::from(fs::remove_file(&path).is_ok());
            }
        }
        // Only an empty one goes.
        let _ = fs::remove_dir(&dir);
        Ok(())
    }
}

fn parent(path: &Path) -> &Path {
    path.parent().unwrap_or(path)
}
