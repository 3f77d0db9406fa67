//! Images into a store.

mod archive;
mod copy;
mod docker_archive;
mod local;
mod oci_layout;
mod remote;

use std::path::{Path, PathBuf};

use oci_client::Reference;
use serde::Serialize;
use steps::{Event, Sink};

use self::copy::{Origin, Progress, copy};
use self::local::{Local, Named};
use self::remote::Remote;
use crate::{Digest, RegistryError, Repository, Store, Tag};

/// Where an image can be taken from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A docker archive (`.tar`, `.tar.gz`), an OCI layout folder or an OCI layout in a tar; told apart by content.
    File(PathBuf),
    /// A registry.
    Registry {
        /// The image's name there, `quay.io/argoproj/argocd:v2`.
        reference: String,
        /// CA to trust instead of the system's, PEM.
        ca_pem: Option<String>,
    },
}

/// An image that the store should hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// Its original name, `docker.io/library/nginx:1.27`. The store keeps it without the registry's host.
    pub reference: String,
    /// The digest that its manifest must have, where it is known.
    pub digest: Option<Digest>,
    /// Where to look for it, in this order.
    pub sources: Vec<Source>,
}

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
}

impl MirrorReport {
    /// The report, or the first failure.
    ///
    /// # Errors
    /// The first of [`failed`](Self::failed).
    pub fn complete(mut self) -> Result<Self, RegistryError> {
        if self.failed.is_empty() { Ok(self) } else { Err(self.failed.swap_remove(0).1) }
    }

    fn add(&mut self, reference: String, result: Result<Outcome, RegistryError>) {
        match result {
            Ok(Outcome::New) => self.new.push(reference),
            Ok(Outcome::Present) => self.present.push(reference),
            Ok(Outcome::Changed) => self.changed.push(reference),
            Err(error) => self.failed.push((reference, error)),
        }
    }
}

/// Brings images into a store: each blob once, digests checked while reading, nothing written for what is there.
/// One image's failure does not stop the others. Must run on a tokio runtime; a program that uses
/// [`Source::Registry`] installs a rustls provider first.
pub async fn mirror(images: &[Image], store: &Store, sink: &dyn Sink) -> MirrorReport {
    let mut report = MirrorReport::default();
    let progress = Progress::new(sink);
    for (done, image) in images.iter().enumerate() {
        report.add(image.reference.clone(), mirror_one(image, store, &progress).await);
        told(sink, done + 1, images.len());
    }
    report
}

/// Brings archives (docker archives, OCI layouts) into a store. The label of a pair is the image's reference; when it
/// is only the archive's file name, every image of the archive is taken under the names that the archive gives.
///
/// # Errors
/// The first failure, after everything else was mirrored.
pub async fn mirror_archives(
    archives: &[(String, PathBuf)],
    store: &Store,
    sink: &dyn Sink,
) -> Result<MirrorReport, RegistryError> {
    let mut report = MirrorReport::default();
    let progress = Progress::new(sink);
    for (done, (label, path)) in archives.iter().enumerate() {
        if path.file_name().is_some_and(|name| name.to_string_lossy() == *label) {
            match all_of(path, store).await {
                Ok(images) => {
                    for named in images {
                        let result = keep(&named.reference, None, &named.image, store, &progress).await;
                        report.add(named.reference, result);
                    }
                }
                Err(error) => report.failed.push((label.clone(), error)),
            }
        } else {
            let image = Image { reference: label.clone(), digest: None, sources: vec![Source::File(path.clone())] };
            report.add(label.clone(), mirror_one(&image, store, &progress).await);
        }
        told(sink, done + 1, archives.len());
    }
    report.complete()
}

fn told(sink: &dyn Sink, done: usize, total: usize) {
    let (done, total) = (done as u64, Some(total as u64));
    sink.emit(Event::Progress { step: "images".into(), done, total, unit: "images" });
}

async fn mirror_one(image: &Image, store: &Store, progress: &Progress<'_>) -> Result<Outcome, RegistryError> {
    let mut last = RegistryError::ImageNotThere { reference: image.reference.clone(), origin: "no source".into() };
    for source in &image.sources {
        match from_source(image, source, store, progress).await {
            Ok(outcome) => return Ok(outcome),
            Err(error) => last = error,
        }
    }
    Err(last)
}

async fn from_source(
    image: &Image,
    source: &Source,
    store: &Store,
    progress: &Progress<'_>,
) -> Result<Outcome, RegistryError> {
    let wanted = image.digest.as_ref();
    match source {
        Source::File(path) => {
            let images = all_of(path, store).await?;
            let local = Named::choose(images, &image.reference, path)?;
            keep(&image.reference, wanted, &local, store, progress).await
        }
        Source::Registry { reference, ca_pem } => {
            let remote = Remote::find(reference, ca_pem.as_deref()).await?;
            keep(&image.reference, wanted, &remote, store, progress).await
        }
    }
}

async fn keep(
    reference: &str,
    wanted: Option<&Digest>,
    origin: &dyn Origin,
    store: &Store,
    progress: &Progress<'_>,
) -> Result<Outcome, RegistryError> {
    if let Some(wanted) = wanted.filter(|w| *w != origin.digest()) {
        let (wanted, got) = (wanted.to_string(), origin.digest().to_string());
        return Err(RegistryError::DigestMismatch { what: format!("{reference} in {}", origin.name()), wanted, got });
    }
    let (repository, tag) = stored_name(reference)?;
    copy(origin, store, &repository, tag.as_ref(), progress).await
}

async fn all_of(path: &Path, store: &Store) -> Result<Vec<Named>, RegistryError> {
    let (path, scratch) = (path.to_owned(), store.root().to_owned());
    blocking(move || Local::open(&path, &scratch)).await
}

/// Under which name the store keeps an image: without the registry's host, as the nodes' mirrors ask for it.
fn stored_name(reference: &str) -> Result<(Repository, Option<Tag>), RegistryError> {
    let fail = || RegistryError::Reference { text: reference.to_owned() };
    let parsed: Reference = reference.parse().map_err(|_| fail())?;
    let repository = parsed.repository().parse().map_err(|_| fail())?;
    let tag = parsed.tag().map(|tag| tag.parse()).transpose().map_err(|_| fail())?;
    Ok((repository, tag))
}

/// Whether two names mean the same image: `nginx`, `library/nginx:latest` and `docker.io/library/nginx:latest` do.
fn same_image(a: &str, b: &str) -> bool {
    match (a.parse::<Reference>(), b.parse::<Reference>()) {
        (Ok(a), Ok(b)) => (a.registry(), a.repository(), a.tag()) == (b.registry(), b.repository(), b.tag()),
        _ => false,
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, RegistryError> + Send + 'static,
) -> Result<T, RegistryError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|e| RegistryError::NotAnImage { origin: "mirror".into(), why: e.to_string() })?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_are_kept_without_the_registrys_host() {
        let name = |reference: &str| {
            let (repository, tag) = stored_name(reference).unwrap();
            (repository.to_string(), tag.map(|t| t.to_string()))
        };
        assert_eq!(name("nginx"), ("library/nginx".into(), Some("latest".into())));
        assert_eq!(name("quay.io/a/b:v1"), ("a/b".into(), Some("v1".into())));
        assert_eq!(name("localhost:5000/x/y/z:1"), ("x/y/z".into(), Some("1".into())));
        assert!(stored_name("UPPER CASE").is_err());
        assert!(same_image("nginx", "docker.io/library/nginx:latest"));
        assert!(!same_image("quay.io/library/nginx", "nginx"));
    }
}
