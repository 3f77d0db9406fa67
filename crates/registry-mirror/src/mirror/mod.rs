//! The mirror engine: images from registries, files and stores into a store or a registry.

mod archive;
mod blobs;
mod docker_archive;
mod feed;
mod image;
mod local;
mod meter;
mod oci_layout;
mod options;
mod origin;
mod partial;
mod platform;
mod report;
mod sources;
mod survey;
mod tar_index;
mod target;
mod transport;
mod unpack;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use steps::{Event, Sink};
use tokio::task::JoinHandle;

use self::blobs::Blobs;
use self::feed::Wanted;
use self::meter::{Limit, Meter};
pub use self::options::Options;
use self::origin::Origin;
pub use self::platform::Platforms;
use self::report::Done;
pub use self::report::{MirrorReport, Outcome};
use self::sources::Sources;
pub use self::survey::{Found, Survey, survey};
use self::target::Place;
use self::transport::Retry;
pub use self::transport::{BasicLogin, Credentials};
use crate::image_name::ImageName;
use crate::{Digest, RegistryError, Repository, Store, Tag};

/// Images under way at a time. They mostly wait for each other's blobs, which have limits of their own.
const IMAGES: usize = 16;
/// How often progress is told.
const TOLD: Duration = Duration::from_secs(1);

/// Where an image can be taken from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A docker archive or an OCI layout in a tar, as it is or compressed with gzip or zstd, or an OCI layout folder;
    /// told apart by content.
    File(PathBuf),
    /// A registry.
    Registry {
        /// The image's name there, `quay.io/argoproj/argocd:v2`; with `http://` in front, without TLS.
        reference: String,
        /// CA to trust instead of the system's, PEM.
        ca_pem: Option<String>,
    },
    /// The store in this folder, under the image's own name.
    Store(PathBuf),
}

/// An image that the target should hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// Its original name, `docker.io/library/nginx:1.27`. The target keeps it without the registry's host.
    pub reference: String,
    /// The digest that its manifest must have, where it is known. What the target has under that digest is not asked
    /// for anywhere else.
    pub digest: Option<Digest>,
    /// Where to look for it, in this order.
    pub sources: Vec<Source>,
}

/// Where images go to.
#[derive(Debug, Clone)]
pub enum Target<'a> {
    /// A store on this computer.
    Store(&'a Store),
    /// A registry: `host:port`, or `host:port/prefix` to put something in front of every name; with `http://`, without
    /// TLS.
    Registry(&'a str),
}

/// What all images of a run share.
struct Run {
    place: Place,
    sources: Sources,
    blobs: Blobs,
    meter: Meter,
    limit: Option<Limit>,
    retry: Retry,
    platforms: Platforms,
    partials: PathBuf,
}

/// One image and the name under which the target keeps it.
struct Job {
    image: Image,
    repository: Repository,
    tag: Option<Tag>,
}

/// Brings images to a target: each distinct blob once, digests checked while reading, nothing written for what is
/// there. One image's failure does not stop the others. Must run on a tokio runtime; a program that uses registries
/// installs a rustls provider first.
///
/// # Errors
/// [`RegistryError::Reference`] for a target that cannot be named, [`RegistryError::Remote`] for a CA that cannot be
/// read. What happens to images is in the report.
///
/// ```
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// use registry_mirror::{Image, Options, Source, Store, Target, mirror_to};
/// let dir = tempfile::tempdir().unwrap();
/// let store = Store::open(dir.path())?;
/// let sources = vec![Source::File(dir.path().join("nginx.tar"))];
/// let image = Image { reference: "docker.io/library/nginx:1.27".into(), digest: None, sources };
/// let report = mirror_to(&[image], Target::Store(&store), &Options::default(), &steps::Silent).await?;
/// assert_eq!(report.failed[0].0, "docker.io/library/nginx:1.27");
/// # Ok::<(), registry_mirror::RegistryError>(())
/// # }).unwrap();
/// ```
pub async fn mirror_to(
    images: &[Image],
    target: Target<'_>,
    options: &Options,
    sink: &dyn Sink,
) -> Result<MirrorReport, RegistryError> {
    let (run, prefix) = Run::new(&target, options)?;
    run.all(images.iter().map(|image| Job::new(image.clone(), &prefix)), sink).await
}

/// [`mirror_to`] a store, as usual.
pub async fn mirror(images: &[Image], store: &Store, sink: &dyn Sink) -> MirrorReport {
    match mirror_to(images, Target::Store(store), &Options::default(), sink).await {
        Ok(report) => report,
        Err(error) => MirrorReport { failed: vec![(String::new(), error)], ..MirrorReport::default() },
    }
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
    let mut images = Vec::new();
    let mut failed = Vec::new();
    for (label, path) in archives {
        if path.file_name().is_none_or(|name| name.to_string_lossy() != *label) {
            images.push(Image { reference: label.clone(), digest: None, sources: vec![Source::File(path.clone())] });
            continue;
        }
        match names_in(path, store.root()).await {
            Ok(names) => images.extend(names.into_iter().map(|reference| Image {
                reference,
                digest: None,
                sources: vec![Source::File(path.clone())],
            })),
            Err(error) => failed.push((label.clone(), error)),
        }
    }
    let report = MirrorReport { failed, ..MirrorReport::default() };
    report.and(mirror(&images, store, sink).await).complete()
}

/// The names of the images that an archive holds. `scratch` gets a compressed one's content for a moment.
///
/// # Errors
/// [`RegistryError::NotAnImage`], [`RegistryError::File`].
pub async fn names_in(archive: &std::path::Path, scratch: &std::path::Path) -> Result<Vec<String>, RegistryError> {
    let (path, scratch) = (archive.to_owned(), scratch.to_owned());
    let images = blocking(move || local::Local::all_of(&path, &scratch)).await?;
    Ok(images.into_iter().map(|named| named.reference).collect())
}

impl Run {
    fn new(target: &Target<'_>, options: &Options) -> Result<(Arc<Self>, String), RegistryError> {
        let mut scratch = options.scratch.clone();
        let sources = Sources::new(options);
        let (place, prefix) = match target {
            Target::Store(store) => {
                scratch = store.root().to_owned();
                (Place::Store((*store).clone()), String::new())
            }
            Target::Registry(name) => {
                let (host, prefix) = sources::host(name);
                let (name, prefix) = (host.0.to_owned(), prefix.trim_matches('/').to_owned());
                (Place::Registry(sources.registry(&name, host.1, None)?), prefix)
            }
        };
        sources.set_scratch(&scratch);
        let run = Self {
            place,
            sources,
            blobs: Blobs::default(),
            meter: Meter::default(),
            limit: options.bandwidth.map(Limit::new),
            retry: options.retry(),
            platforms: options.platforms.clone(),
            partials: crate::store::partials(&scratch),
        };
        Ok((Arc::new(run), prefix))
    }

    async fn all(
        self: Arc<Self>,
        jobs: impl Iterator<Item = (String, Result<Job, RegistryError>)>,
        sink: &dyn Sink,
    ) -> Result<MirrorReport, RegistryError> {
        let mut report = MirrorReport::default();
        let mut order = Vec::new();
        let mut waiting = Vec::new();
        for (reference, job) in jobs {
            order.push(reference.clone());
            match job {
                Ok(job) => waiting.push(job),
                Err(error) => report.add(reference, Err(error)),
            }
        }
        let total = waiting.len() as u64;
        let mut waiting = waiting.into_iter();
        let mut under_way: FuturesUnordered<Task> = FuturesUnordered::new();
        let mut clock = tokio::time::interval(TOLD);
        clock.tick().await;
        loop {
            while under_way.len() < IMAGES
                && let Some(job) = waiting.next()
            {
                under_way.push(Task::start(self.clone(), job));
            }
            tokio::select! {
                ended = under_way.next() => match ended {
                    None => break,
                    Some((reference, done)) => {
                        self.meter.image();
                        report.add(reference, done);
                        let done = self.meter.images();
                        sink.emit(Event::Progress { step: "images".into(), done, total: Some(total), unit: "images" });
                    }
                },
                _ = clock.tick() => {
                    let (done, total) = (self.meter.bytes(), Some(self.meter.total()));
                    sink.emit(Event::Progress { step: "images".into(), done, total, unit: "bytes" });
                }
            }
        }
        report.sort(&order);
        // Only an empty one goes.
        let _ = std::fs::remove_dir(&self.partials);
        (report.blobs, report.reused, report.bytes) = (self.meter.blobs(), self.meter.reused(), self.meter.bytes());
        Ok(report)
    }

    /// Brings one blob to a repository of the target, unless it is there; from another repository of the target where
    /// one has it.
    async fn blob(&self, origin: &Origin, wanted: &Wanted, repository: &Repository) -> Result<(), RegistryError> {
        let (homes, new) = self.blobs.entry(&wanted.digest);
        if new {
            self.meter.need(wanted.size);
        }
        let mut homes = homes.lock().await;
        if homes.contains(repository) {
            return Ok(());
        }
        let _permit = match (origin.registry(), &self.place) {
            (Some(registry), _) => Some(registry.blob_permit().await?),
            (None, Place::Registry(registry)) => Some(registry.blob_permit().await?),
            (None, Place::Store(_)) => None,
        };
        let from = homes.first().cloned();
        if self.place.blob(self, origin, wanted, repository, from.as_ref()).await? {
            self.meter.blob();
        } else if from.is_some() {
            self.meter.reuse();
        } else {
            self.meter.spare(wanted.size);
        }
        homes.insert(repository.clone());
        Ok(())
    }
}

impl Job {
    fn new(image: Image, prefix: &str) -> (String, Result<Self, RegistryError>) {
        let reference = image.reference.clone();
        let job = stored_name(&reference).and_then(|(repository, tag)| {
            let fail = |_| RegistryError::Reference { text: format!("{prefix}/{repository}") };
            let repository = match prefix {
                "" => repository,
                prefix => format!("{prefix}/{repository}").parse().map_err(fail)?,
            };
            Ok(Self { image, repository, tag })
        });
        (reference, job)
    }
}

/// One image's work on the runtime; given up with the run.
struct Task {
    reference: String,
    handle: JoinHandle<Result<Done, RegistryError>>,
}

impl Task {
    fn start(run: Arc<Run>, job: Job) -> Self {
        let reference = job.image.reference.clone();
        Self { reference, handle: tokio::spawn(async move { image::mirror(&run, &job).await }) }
    }
}

impl std::future::Future for Task {
    type Output = (String, Result<Done, RegistryError>);

    fn poll(mut self: std::pin::Pin<&mut Self>, cx: &mut std::task::Context<'_>) -> std::task::Poll<Self::Output> {
        std::pin::Pin::new(&mut self.handle).poll(cx).map(|ended| {
            let lost = |e: tokio::task::JoinError| Err(RegistryError::interrupted(&e.to_string()));
            (self.reference.clone(), ended.unwrap_or_else(lost))
        })
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.handle.abort();
    }
}

/// Under which name the target keeps an image: without the registry's host, as the nodes' mirrors ask for it.
fn stored_name(reference: &str) -> Result<(Repository, Option<Tag>), RegistryError> {
    let fail = || RegistryError::Reference { text: reference.to_owned() };
    let name: ImageName = reference.trim_start_matches("http://").parse().map_err(|_| fail())?;
    Ok((name.repository, name.tag))
}

/// Reads bytes as an image archive, for fuzzing: the names in it, or nothing.
#[doc(hidden)]
pub fn tar_names(bytes: &[u8]) -> Vec<String> {
    let index = tar_index::index(&mut std::io::Cursor::new(bytes)).unwrap_or_default();
    index.into_keys().collect()
}

/// The same for bytes that may be compressed, of which not more than `most` bytes are unpacked.
#[doc(hidden)]
pub fn packed_tar_names(bytes: &[u8], most: u64) -> Vec<String> {
    use std::io::Read as _;

    let Some(how) = unpack::Compression::of(bytes) else { return tar_names(bytes) };
    let mut plain = Vec::new();
    let unpacked = how.unpack(std::io::Cursor::new(bytes.to_vec()));
    if unpacked.take(most).read_to_end(&mut plain).is_ok() { tar_names(&plain) } else { Vec::new() }
}

/// Whether two names mean the same image: `nginx`, `library/nginx:latest` and `docker.io/library/nginx:latest` do.
fn same_image(a: &str, b: &str) -> bool {
    match (a.parse::<ImageName>(), b.parse::<ImageName>()) {
        (Ok(a), Ok(b)) => (a.registry, a.repository, a.tag) == (b.registry, b.repository, b.tag),
        _ => false,
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, RegistryError> + Send + 'static,
) -> Result<T, RegistryError> {
    tokio::task::spawn_blocking(work).await.map_err(|e| RegistryError::interrupted(&e.to_string()))?
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
