//! Writing a bundle.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::json;
use sha2::{Digest, Sha256};
use steps::{Event, Sink};

use super::manifest::{Entry, HEAD};
use super::parts::PartWriter;
use super::{Base, Bundle, BundleError, BundledFile, BundledImage, Manifest, SigningKey, sbom, stream};
use crate::artifact::sha256_hex;
use crate::{ArtifactError, Lock};

/// What fits on a FAT32 stick (files of less than 4 GiB), in bytes: 4095 MiB.
pub const fn default_part_size() -> u64 {
    4095 << 20
}

const REPORT_EVERY: u64 = 16 << 20;

/// What goes into a bundle: a lock, and where the things that it names lie.
#[derive(Debug, Clone)]
pub struct Contents {
    /// The bundle's name: lower-case letters, digits, `.`, `_`, `-`.
    pub name: String,
    /// The lock, which is in the bundle as it is.
    pub lock: Lock,
    /// Where each file of the lock lies: the pin's name, the path.
    pub files: Vec<(String, PathBuf)>,
    /// The images of the lock.
    pub images: Vec<ImageContent>,
    /// Lines for people, such as what is only a stand-in.
    pub notes: Vec<String>,
    /// Size of every part but the last, in bytes.
    pub part_size: u64,
}

/// An image and where its blobs lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageContent {
    /// Its name in the lock.
    pub name: String,
    /// The digest of its manifest or index, `sha256:<hex>`.
    pub digest: String,
    /// The media type of that.
    pub media_type: String,
    /// Everything that belongs to it, itself included: SHA-256, bytes, file.
    pub blobs: Vec<(String, u64, PathBuf)>,
}

/// A bundle that was written, or was there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Created {
    /// Its manifest.
    pub manifest: PathBuf,
    /// The SHA-256 of the manifest.
    pub sha256: String,
    /// Names of the parts, beside the manifest.
    pub parts: Vec<String>,
    /// Bytes of all parts.
    pub bytes: u64,
    /// Images and files in it.
    pub images: usize,
    /// See `images`.
    pub files: usize,
    /// Blobs left out because the base has them.
    pub elsewhere: usize,
    /// Whether it was written now.
    pub changed: bool,
}

/// A manifest without parts yet, and the small files of the stream.
struct Planned {
    manifest: Manifest,
    head: Vec<Vec<u8>>,
    paths: BTreeMap<String, PathBuf>,
}

impl Contents {
    /// Nothing but a lock so far.
    pub fn new(name: impl Into<String>, lock: Lock) -> Self {
        let (files, images, notes) = (Vec::new(), Vec::new(), Vec::new());
        Self { name: name.into(), lock, files, images, notes, part_size: default_part_size() }
    }

    /// What the bundle would hold, but for its parts. Reads nothing.
    ///
    /// # Errors
    /// [`BundleError::Incomplete`] where the lock and what was given differ, or for a name that no bundle may have.
    pub fn manifest(&self, base: Option<&Bundle>) -> Result<Manifest, BundleError> {
        self.plan(base).map(|planned| planned.manifest)
    }

    fn plan(&self, base: Option<&Bundle>) -> Result<Planned, BundleError> {
        let mut manifest = Manifest::new(&self.name, self.part_size);
        let (mut blobs, mut paths) = (BTreeMap::new(), BTreeMap::new());
        manifest.notes.clone_from(&self.notes);
        manifest.files = self.lock_files(&mut blobs, &mut paths)?;
        manifest.images = self.lock_images(&mut blobs, &mut paths)?;
        let there = base.map(|base| base.manifest().blobs()).unwrap_or_default();
        let all = blobs.iter().map(|(sha256, size)| Entry::blob(sha256, *size));
        let (elsewhere, own): (Vec<_>, Vec<_>) = all.partition(|e| there.get(e.sha256.as_str()) == Some(&e.size));
        manifest.elsewhere = elsewhere;
        manifest.base =
            base.map(|base| Base { name: base.manifest().name.clone(), manifest: base.sha256().to_owned() });
        manifest.entries = own;
        let layout = br#"{"imageLayoutVersion":"1.0.0"}"#.to_vec();
        let mut head = vec![layout, index(&manifest.images, &blobs), self.lock.render().into_bytes()];
        let so_far: Vec<(&str, &[u8])> = HEAD.into_iter().zip(head.iter().map(Vec::as_slice)).collect();
        let sbom = sbom::render(&manifest, &so_far);
        head.push(sbom);
        let small = HEAD.iter().zip(&head).map(|(path, bytes)| Entry {
            path: (*path).to_owned(),
            size: bytes.len() as u64,
            sha256: sha256_hex(bytes),
        });
        let own = std::mem::take(&mut manifest.entries);
        manifest.entries = small.chain(own).collect();
        let possible = manifest.check_but_for_parts();
        possible.map_err(|why| BundleError::Incomplete { what: self.name.clone(), why })?;
        Ok(Planned { manifest, head, paths })
    }

    fn lock_files(
        &self,
        blobs: &mut BTreeMap<String, u64>,
        paths: &mut BTreeMap<String, PathBuf>,
    ) -> Result<Vec<BundledFile>, BundleError> {
        let mut files = Vec::new();
        for pin in &self.lock.artifacts {
            let path = self.files.iter().find(|(name, _)| *name == pin.name).map(|(_, path)| path);
            let path = path.ok_or_else(|| incomplete(&pin.name, "it is in the lock, but there is no such file"))?;
            let sha256 = pin.sha256.to_ascii_lowercase();
            blobs.insert(sha256.clone(), pin.size);
            paths.insert(sha256.clone(), path.clone());
            let (name, kind, version) = (pin.name.clone(), pin.kind.clone(), pin.version.clone());
            files.push(BundledFile { name, kind, version, size: pin.size, sha256 });
        }
        match self.files.iter().find(|(name, _)| self.lock.find(name).is_none()) {
            Some((name, _)) => Err(incomplete(name, "it is not in the lock")),
            None => Ok(files),
        }
    }

    fn lock_images(
        &self,
        blobs: &mut BTreeMap<String, u64>,
        paths: &mut BTreeMap<String, PathBuf>,
    ) -> Result<Vec<BundledImage>, BundleError> {
        for pin in &self.lock.images {
            let given = self.images.iter().find(|image| image.name == pin.name);
            let given = given.ok_or_else(|| incomplete(&pin.name, "it is in the lock, but the image was not given"))?;
            if given.digest != pin.digest {
                let why = format!("the lock says {}, the image given is {}", pin.digest, given.digest);
                return Err(incomplete(&pin.name, &why));
            }
        }
        let mut images = Vec::new();
        for image in &self.images {
            if self.lock.image(&image.name).is_none() {
                return Err(incomplete(&image.name, "it is not in the lock"));
            }
            let mut own: Vec<String> = image.blobs.iter().map(|(sha256, ..)| sha256.clone()).collect();
            own.sort();
            own.dedup();
            for (sha256, size, path) in &image.blobs {
                blobs.insert(sha256.clone(), *size);
                paths.entry(sha256.clone()).or_insert_with(|| path.clone());
            }
            let (name, digest, media_type) = (image.name.clone(), image.digest.clone(), image.media_type.clone());
            images.push(BundledImage { name, digest, media_type, blobs: own });
        }
        images.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(images)
    }
}

/// Writes a bundle into the folder `dir`: the parts, the manifest, the signature. Every blob is hashed on its way; one
/// that is not what the lock says ends it. With `base`, blobs which that bundle has are left out. The same contents with
/// the same key give the same bytes; a bundle that is there already is left alone.
///
/// # Errors
/// [`BundleError::Incomplete`], [`BundleError::AlreadyThere`] for another bundle of this name,
/// [`BundleError::Artifact`] for a file that is not what it must be or cannot be read or written.
pub fn create(
    contents: &Contents,
    base: Option<&Bundle>,
    dir: &Path,
    key: &SigningKey,
    sink: &dyn Sink,
) -> Result<Created, BundleError> {
    let planned = contents.plan(base)?;
    let path = dir.join(format!("{}.airbundle.json", contents.name));
    if path.exists() {
        let there = Bundle::open(&path, &super::Trust::Key(key.public())).ok();
        let same = there.filter(|there| {
            let there_but_for_parts = Manifest { parts: Vec::new(), ..there.manifest().clone() };
            there_but_for_parts == planned.manifest && there.parts_have_their_sizes()
        });
        let same = same.ok_or_else(|| BundleError::AlreadyThere { path: path.clone() })?;
        return Ok(created(&path, same.manifest(), same.sha256(), false));
    }
    if contents.part_size < stream::BLOCK {
        return Err(incomplete(&contents.name, "parts must have at least 512 bytes"));
    }
    let mut manifest = planned.manifest.clone();
    manifest.parts = write_stream(&planned, dir, contents, sink)?;
    let bytes = manifest.render();
    put(&dir.join(format!("{}.airbundle.sig", contents.name)), key.sign(&bytes).as_bytes())?;
    // Last: without it, the rest is no bundle.
    put(&path, &bytes)?;
    Ok(created(&path, &manifest, &sha256_hex(&bytes), true))
}

fn created(path: &Path, manifest: &Manifest, sha256: &str, changed: bool) -> Created {
    Created {
        manifest: path.to_owned(),
        sha256: sha256.to_owned(),
        parts: manifest.parts.iter().map(|p| p.file.clone()).collect(),
        bytes: manifest.parts.iter().map(|p| p.size).sum(),
        images: manifest.images.len(),
        files: manifest.files.len(),
        elsewhere: manifest.elsewhere.len(),
        changed,
    }
}

fn write_stream(
    planned: &Planned,
    dir: &Path,
    contents: &Contents,
    sink: &dyn Sink,
) -> Result<Vec<super::PartFile>, BundleError> {
    let entries = &planned.manifest.entries;
    let mut out = PartWriter::new(dir, &contents.name, contents.part_size)?;
    let total = stream::length(entries);
    let (mut done, mut told) = (0, 0);
    let mut buffer = vec![0; 1 << 18];
    for (at, entry) in entries.iter().enumerate() {
        out.write(&stream::header(entry))?;
        if let Some(bytes) = planned.head.get(at) {
            out.write(bytes)?;
            done += entry.size;
        } else {
            let path = planned.paths.get(&entry.sha256).ok_or_else(|| incomplete(&entry.path, "there is no file"))?;
            let mut file = File::open(path).map_err(BundleError::file(path, "read"))?;
            let (mut hasher, mut size) = (Sha256::new(), 0);
            loop {
                let read = file.read(&mut buffer).map_err(BundleError::file(path, "read"))?;
                size += read as u64;
                if read == 0 || size > entry.size {
                    break;
                }
                hasher.update(&buffer[..read]);
                out.write(&buffer[..read])?;
                done += read as u64;
                if done - told >= REPORT_EVERY {
                    told = done;
                    sink.emit(Event::Progress { step: "bundle".into(), done, total, unit: "bytes" });
                }
            }
            is_right(&planned.manifest, entry, path, size, &hex::encode(hasher.finalize()))?;
        }
        out.write(&buffer_of_zeros(entry))?;
    }
    out.write(stream::end())?;
    out.finish()
}

fn buffer_of_zeros(entry: &Entry) -> Vec<u8> {
    // fewer than 512
    vec![0; usize::try_from(stream::padding(entry)).unwrap_or_default()]
}

fn is_right(manifest: &Manifest, entry: &Entry, path: &Path, size: u64, got: &str) -> Result<(), BundleError> {
    let (name, origin) = (manifest.owners(&entry.sha256), path.display().to_string());
    if size != entry.size {
        return Err(ArtifactError::WrongSize { name, origin, wanted: entry.size, got: size }.into());
    }
    Ok(crate::artifact::compare(&name, &origin, Some(&entry.sha256), got)?)
}

/// `index.json` of the OCI layout.
fn index(images: &[BundledImage], blobs: &BTreeMap<String, u64>) -> Vec<u8> {
    let describe = |image: &BundledImage| {
        let size = blobs.get(image.digest.trim_start_matches("sha256:")).copied().unwrap_or_default();
        let mut annotations = json!({ "io.containerd.image.name": image.name });
        if let Some((_, tag)) = image.name.rsplit_once(':').filter(|(_, tag)| !tag.contains(['/', '@'])) {
            annotations["org.opencontainers.image.ref.name"] = tag.into();
        }
        json!({ "mediaType": image.media_type, "digest": image.digest, "size": size, "annotations": annotations })
    };
    let manifests: Vec<_> = images.iter().map(describe).collect();
    let media_type = "application/vnd.oci.image.index.v1+json";
    json!({ "schemaVersion": 2, "mediaType": media_type, "manifests": manifests }).to_string().into_bytes()
}

fn put(path: &Path, bytes: &[u8]) -> Result<(), BundleError> {
    let written = machine::write_file(path, bytes, 0o644);
    written.map(drop).map_err(|e| BundleError::file(path, "write")(e.source))
}

fn incomplete(what: &str, why: &str) -> BundleError {
    BundleError::Incomplete { what: what.to_owned(), why: why.to_owned() }
}

/// Whether a folder has a bundle of this name.
pub(super) fn manifests_in(dir: &Path) -> Vec<PathBuf> {
    let files = fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut found: Vec<PathBuf> = files.filter(|p| p.to_string_lossy().ends_with(".airbundle.json")).collect();
    found.sort();
    found
}
