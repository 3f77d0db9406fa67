//! Bundles, composed: what goes in comes from files and registries, what comes out goes into the registry's store and the
//! store of files.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use artifacts::bundle::{Bundle, BundleError, Contents, ImageContent, PublicKey, Receipt, Trust, Verified};
use artifacts::{Artifact, ImagePin, Lock, Pin, Verdicts};
use lab::Lab;
use registry_mirror::{Digest, Image, Options, Outcome, Source as From, Store, StoredImage, Target, mirror_to};
use serde::{Deserialize, Serialize};
use steps::{Event, Sink};

use crate::{Extra, Failure, Source, Sources};

/// A bundle to take a lab's files and images from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Carried {
    /// Its manifest, or the folder with it.
    pub path: PathBuf,
    /// The public key that must vouch for it.
    pub trust: PathBuf,
    /// Where it is kept which parts were read already.
    pub verdicts: PathBuf,
}

/// What an import did, or would do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Imported {
    /// The bundle's name.
    pub bundle: String,
    /// The SHA-256 of its manifest.
    pub manifest: String,
    /// `checked` or `skipped`.
    pub signature: String,
    /// The fingerprint of the key that vouches for it.
    pub signed_by: Option<String>,
    /// What is only a stand-in, and the like.
    pub notes: Vec<String>,
    /// Images that were not there, or another version of them.
    pub images: Vec<String>,
    /// Files that were not there.
    pub files: Vec<String>,
    /// Images and files that were there.
    pub present: usize,
    /// Whether anything was written, the record of the import included.
    pub changed: bool,
}

impl Carried {
    /// The bundle, read to the last byte. Parts that were read before and did not change since are not read again.
    ///
    /// # Errors
    /// The bundle's.
    pub fn verified(&self, sink: &dyn Sink) -> Result<Verified, Failure> {
        let trust = Trust::Key(PublicKey::load(&self.trust)?);
        Ok(Bundle::open(&self.path, &trust)?.verify_again(&mut Verdicts::open(&self.verdicts), sink)?)
    }
}

/// The files and images of a lab as a bundle's contents; the lock is made from what they are. `scratch` keeps the images'
/// blobs meanwhile.
///
/// # Errors
/// An image or file that cannot be read.
pub async fn contents_of_lab(
    name: &str,
    lab: &Lab,
    sources: &Sources,
    scratch: &Path,
    sink: &dyn Sink,
) -> Result<Contents, Failure> {
    let mut lock = Lock::default();
    let mut files = Vec::new();
    let (ubuntu, k3s) = (&lab.versions.ubuntu, &lab.versions.k3s);
    let of_lab = [("installer", "iso", ubuntu, &sources.iso), ("k3s", "k3s", k3s, &sources.k3s)];
    let of_lab = of_lab.into_iter().chain([(AIRGAP, AIRGAP, k3s, &sources.airgap)]);
    let extras = sources.extras.iter().map(|file| (&*file.pin, file.pin_kind(), &file.version, &file.source));
    for (name, kind, version, source) in of_lab.chain(extras) {
        let found = artifacts::check(name, &source.path, source.sha256.as_deref())?;
        lock.artifacts.push(Pin {
            name: name.into(),
            kind: kind.into(),
            version: version.clone(),
            size: found.size(),
            sha256: found.sha256().into(),
            sources: Vec::new(),
        });
        files.push((name.to_owned(), source.path.clone()));
    }
    let store = Store::open(scratch)?;
    let digests = registry_mirror::mirror_archives(&sources.images, &store, sink).await?.digests;
    let mut images = Vec::new();
    for (name, digest) in digests {
        let image = image(name, store.image(&digest)?);
        let size = image.blobs.iter().map(|(_, size, _)| size).sum();
        lock.images.push(ImagePin { name: image.name.clone(), digest: image.digest.clone(), size });
        images.push(image);
    }
    let notes = sources.stand_ins.clone();
    Ok(Contents { files, images, notes, ..Contents::new(name, lock) })
}

const AIRGAP: &str = "airgap-images";

/// Everything that a lock names as a bundle's contents: files from their sources, images from `from`, or else from the
/// registries that their names say. `downloads` keeps files, `scratch` the images' blobs.
///
/// # Errors
/// A file or image that no source has as the lock says.
pub async fn contents_of_lock(
    name: &str,
    lock: (&Lock, Lock),
    from: &[From],
    downloads: &artifacts::Store,
    scratch: &Path,
    sink: &dyn Sink,
) -> Result<Contents, Failure> {
    let (here, as_is) = lock;
    let mut files = Vec::new();
    for pin in &here.artifacts {
        let file = artifacts::ensure(pin, downloads, sink).await?;
        files.push((pin.name.clone(), file.path().to_owned()));
    }
    let store = Store::open(scratch)?;
    let mut wanted = Vec::new();
    for pin in &here.images {
        let digest: Digest = digest(&pin.digest)?;
        let mut sources = from.to_vec();
        sources.push(From::Registry { reference: pin.name.clone(), ca_pem: None });
        wanted.push(Image { reference: pin.name.clone(), digest: Some(digest), sources });
    }
    mirror_to(&wanted, Target::Store(&store), &Options::default(), sink).await?.complete()?;
    let found = here.images.iter().map(|pin| Ok(image(pin.name.clone(), store.image(&digest(&pin.digest)?)?)));
    let images = found.collect::<Result<Vec<_>, Failure>>()?;
    Ok(Contents { files, images, ..Contents::new(name, as_is) })
}

fn image(name: String, found: StoredImage) -> ImageContent {
    let blobs = found.blobs.into_iter().map(|(digest, size, path)| (digest.hex().to_owned(), size, path));
    ImageContent { name, digest: found.digest.to_string(), media_type: found.media_type, blobs: blobs.collect() }
}

fn digest(text: &str) -> Result<Digest, Failure> {
    Ok(text.parse().map_err(|_| BundleError::Incomplete { what: text.to_owned(), why: "it is no digest".into() })?)
}

/// What an import would do. Writes nothing.
///
/// # Errors
/// [`BundleError::BaseMissing`] for a differential bundle whose base is neither here nor was imported before.
pub fn plan_import(bundle: &Verified, registry: &Path, files: &artifacts::Store) -> Result<Imported, Failure> {
    // Opening a store makes its folders.
    let store = if registry.exists() { Some(Store::open(registry)?) } else { None };
    let sizes: BTreeMap<&str, u64> =
        bundle.manifest().files.iter().map(|file| (file.sha256.as_str(), file.size)).collect();
    let imported = |sha256: &str, size: u64| {
        let blob: Option<Digest> = format!("sha256:{sha256}").parse().ok();
        let in_store = store.as_ref().zip(blob).and_then(|(store, blob)| store.blob_size(&blob)) == Some(size);
        let file = bundle.manifest().files.iter().find(|file| file.sha256 == sha256);
        match sizes.contains_key(sha256) {
            true => file.is_some_and(|file| files.has(file)),
            false => in_store,
        }
    };
    let lost = bundle.missing().iter().filter(|blob| !imported(&blob.sha256, blob.size)).count();
    if lost > 0 {
        return Err(bundle.bundle().base_missing(lost).into());
    }
    let mut images = Vec::new();
    for image in &bundle.manifest().images {
        let there = match &store {
            Some(store) => store.has_image(&image.name, &digest(&image.digest)?, &|digest| blob(bundle, digest))?,
            None => false,
        };
        if !there {
            images.push(image.name.clone());
        }
    }
    let missing = bundle.manifest().files.iter().filter(|file| !files.has(file)).map(|file| file.name.clone());
    let missing: Vec<String> = missing.collect();
    let changed = !images.is_empty() || !missing.is_empty();
    Ok(done(bundle, images, missing, changed))
}

/// Brings a bundle's images into the registry's store in the folder `registry`, and its files into `files`. It was read
/// to the last byte before; nothing is written where its base is missing. A second import writes nothing.
///
/// # Errors
/// Those of [`plan_import`], and what cannot be written.
pub fn import(
    bundle: &Verified,
    registry: &Path,
    files: &artifacts::Store,
    sink: &dyn Sink,
) -> Result<Imported, Failure> {
    plan_import(bundle, registry, files)?;
    let kept = files.take(bundle, sink)?;
    let images = import_images(bundle, &Store::open(registry)?, sink)?;
    let files_new: Vec<String> = kept.into_iter().filter(|kept| kept.new).map(|kept| kept.name).collect();
    let noted = files.write_down(&Receipt::of(bundle))?;
    let changed = noted || !images.is_empty() || !files_new.is_empty();
    Ok(done(bundle, images, files_new, changed))
}

fn done(bundle: &Verified, images: Vec<String>, files: Vec<String>, changed: bool) -> Imported {
    let receipt = Receipt::of(bundle);
    let all = bundle.manifest().images.len() + bundle.manifest().files.len();
    Imported {
        bundle: receipt.bundle,
        manifest: receipt.manifest,
        signature: receipt.signature,
        signed_by: receipt.signed_by,
        notes: bundle.manifest().notes.clone(),
        present: all - images.len() - files.len(),
        images,
        files,
        changed,
    }
}

/// Brings a bundle's images into a registry's store; gives those that were not there.
pub(crate) fn import_images(bundle: &Verified, store: &Store, sink: &dyn Sink) -> Result<Vec<String>, Failure> {
    let images = &bundle.manifest().images;
    let total = Some(images.len() as u64);
    let mut brought = Vec::new();
    for (at, image) in images.iter().enumerate() {
        let outcome = store.take_image(&image.name, &digest(&image.digest)?, &|digest| blob(bundle, digest))?;
        if outcome != Outcome::Present {
            brought.push(image.name.clone());
        }
        sink.emit(Event::Progress { step: "images".into(), done: at as u64 + 1, total, unit: "images" });
    }
    Ok(brought)
}

fn blob(bundle: &Verified, digest: &Digest) -> Option<Box<dyn Read>> {
    bundle.open(digest.hex()).map(|content| Box::new(content) as Box<dyn Read>)
}

impl Sources {
    /// The files of a lab from a bundle, which are taken into `files`; its images follow when the registry is filled.
    ///
    /// # Errors
    /// [`BundleError::Incomplete`] for a bundle without installer, k3s or its images; what cannot be written.
    pub fn of_bundle(
        carried: &Carried,
        bundle: &Verified,
        files: &artifacts::Store,
        sink: &dyn Sink,
    ) -> Result<Self, Failure> {
        let kinds = ["iso", "k3s", AIRGAP];
        let lacks = kinds.into_iter().find(|kind| !bundle.manifest().files.iter().any(|file| file.kind == **kind));
        if let Some(kind) = lacks {
            let (what, why) = (bundle.manifest().name.clone(), format!("it has no file of the kind {kind}"));
            return Err(BundleError::Incomplete { what, why }.into());
        }
        let kept = files.take(bundle, sink)?;
        files.write_down(&Receipt::of(bundle))?;
        let of = |artifact: &Artifact| Source {
            sha256: Some(artifact.sha256().to_owned()),
            ..Source::at(artifact.path().to_owned())
        };
        let source =
            |kind: &str| kept.iter().find(|kept| kept.kind == kind).map(|kept| of(&kept.artifact)).unwrap_or_default();
        let mut extras = Vec::new();
        for file in &kept {
            let known = (&*file.name, &*file.kind, &*file.version);
            extras.extend(Extra::of(&bundle.manifest().name, known, of(&file.artifact))?);
        }
        Ok(Self {
            extras,
            iso: source("iso"),
            k3s: source("k3s"),
            airgap: source(AIRGAP),
            stand_ins: bundle.manifest().notes.clone(),
            bundle: Some(carried.clone()),
            ..Self::default()
        })
    }
}
