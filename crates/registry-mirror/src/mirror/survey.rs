//! What exists where, before anything is copied.

use std::sync::Arc;

use futures_util::{StreamExt, stream};

use super::{Image, Job, Options, Run, Source, Target};
use crate::store::Manifest;
use crate::{Digest, RegistryError};

/// Images looked for at a time.
const AT_ONCE: usize = 16;

/// What was found of one image.
#[derive(Debug)]
pub struct Survey {
    /// The image.
    pub reference: String,
    /// What each of its sources has, in their order, up to the first that has it unless all were asked.
    pub sources: Vec<Found>,
}

/// What one source has.
#[derive(Debug)]
pub struct Found {
    /// File or registry.
    pub source: String,
    /// The image's digest, or why there is none.
    pub digest: Result<Digest, RegistryError>,
    /// Bytes of its blobs, where they were asked for.
    pub size: Option<u64>,
}

impl Survey {
    /// The first source that has the image.
    pub fn first(&self) -> Option<&Found> {
        self.sources.iter().find(|found| found.digest.is_ok())
    }
}

/// Looks for images in their sources without copying anything. With `all`, every source is asked, else only up to the
/// first that has the image. With `sizes`, manifests are read too, for the sizes of what belongs to them.
///
/// # Errors
/// As [`mirror_to`](crate::mirror_to). What is not found is in the result.
pub async fn survey(images: &[Image], options: &Options, all: bool, sizes: bool) -> Result<Vec<Survey>, RegistryError> {
    // No registry is at that address, and none is asked: a run needs a target.
    let (run, _) = Run::new(&Target::Registry("nowhere.invalid"), options)?;
    let looks = images.iter().map(|image| {
        let (run, image) = (run.clone(), image.clone());
        tokio::spawn(async move { one(&run, &image, all, sizes).await })
    });
    let looks: Vec<_> = looks.collect();
    let mut found: Vec<Survey> = Vec::new();
    let mut looks = stream::iter(looks).buffered(AT_ONCE);
    while let Some(look) = looks.next().await {
        found.push(look.map_err(|e| RegistryError::interrupted(&e.to_string()))?);
    }
    Ok(found)
}

async fn one(run: &Arc<Run>, image: &Image, all: bool, sizes: bool) -> Survey {
    let mut sources = Vec::new();
    for source in &image.sources {
        let (digest, size) = match look(run, image, source, sizes).await {
            Ok((digest, size)) => (Ok(digest), size),
            Err(error) => (Err(error), None),
        };
        let found = digest.is_ok();
        sources.push(Found { source: named(source), digest, size });
        if found && !all {
            break;
        }
    }
    Survey { reference: image.reference.clone(), sources }
}

async fn look(
    run: &Arc<Run>,
    image: &Image,
    source: &Source,
    sizes: bool,
) -> Result<(Digest, Option<u64>), RegistryError> {
    let (_, job) = Job::new(image.clone(), "");
    job?;
    let origin = run.open(source, &image.reference).await?;
    let missing = || RegistryError::ImageNotThere { reference: image.reference.clone(), origin: origin.name() };
    if !sizes {
        return Ok((origin.digest().await?.ok_or_else(missing)?, None));
    }
    let (_, bytes) = origin.manifest(None).await?.ok_or_else(missing)?;
    let digest = Digest::of(&bytes);
    let mut size = 0;
    let mut waiting = vec![bytes];
    while let Some(bytes) = waiting.pop() {
        let fail = |why| RegistryError::NotAnImage { origin: origin.name(), why };
        let manifest = Manifest::parse(&bytes).map_err(fail)?;
        size += bytes.len() as u64 + manifest.blobs().iter().map(|blob| blob.size).sum::<u64>();
        for child in manifest.children().iter().filter(|child| run.platforms.want(child)) {
            let child = child.digest().map_err(fail)?;
            waiting.push(origin.manifest(Some(&child)).await?.ok_or_else(missing)?.1);
        }
    }
    Ok((digest, Some(size)))
}

fn named(source: &Source) -> String {
    match source {
        Source::File(path) | Source::Store(path) => path.display().to_string(),
        Source::Registry { reference, .. } => reference.clone(),
    }
}
