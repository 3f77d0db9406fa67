//! The manifest: what a bundle holds. What is read here comes from strangers; everything is checked before it is used.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::stream;

/// The format this program writes and reads.
const VERSION: u32 = 1;
/// Longest manifest that is read, in bytes.
pub(super) const LONGEST: u64 = 64 << 20;
/// The entries in front of the blobs.
pub(super) const HEAD: [&str; 4] = ["oci-layout", "index.json", "airlab.lock", "sbom.spdx.json"];
const BLOBS: &str = "blobs/sha256/";
const LONGEST_TEXT: usize = 512;

/// What a bundle holds, checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The version of the format.
    pub airbundle: u32,
    /// Its name.
    pub name: String,
    /// The bundle that it adds to, where it is differential.
    pub base: Option<Base>,
    /// Lines for people, such as what is only a stand-in.
    pub notes: Vec<String>,
    /// The images, sorted by name.
    pub images: Vec<BundledImage>,
    /// The files, in the order of the lock.
    pub files: Vec<BundledFile>,
    /// What the stream holds, in its order.
    pub entries: Vec<Entry>,
    /// Blobs that the base has, sorted.
    pub elsewhere: Vec<Entry>,
    /// Size of every part but the last, in bytes.
    pub part_size: u64,
    /// The parts of the stream.
    pub parts: Vec<PartFile>,
}

/// The bundle that another one adds to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Base {
    /// Its name.
    pub name: String,
    /// The SHA-256 of its manifest.
    pub manifest: String,
}

/// An image of a bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BundledImage {
    /// Its full name, `docker.io/library/nginx:1.27`.
    pub name: String,
    /// The digest of its manifest or index, `sha256:<hex>`.
    pub digest: String,
    /// The media type of that.
    pub media_type: String,
    /// SHA-256 of everything that belongs to it, itself included, sorted.
    pub blobs: Vec<String>,
}

/// A file of a bundle: a pin of its lock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BundledFile {
    /// Its name in the lock.
    pub name: String,
    /// What it is for: `iso`, `k3s`, `airgap-images` ...
    pub kind: String,
    /// Its version.
    pub version: String,
    /// Bytes.
    pub size: u64,
    /// SHA-256, 64 lower-case hexadecimal digits.
    pub sha256: String,
}

/// A file in the stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Its name.
    pub path: String,
    /// Bytes.
    pub size: u64,
    /// SHA-256, 64 lower-case hexadecimal digits.
    pub sha256: String,
}

impl Entry {
    pub(super) fn blob(sha256: &str, size: u64) -> Self {
        Self { path: format!("{BLOBS}{sha256}"), size, sha256: sha256.to_owned() }
    }
}

/// A part of the stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PartFile {
    /// Its name.
    pub file: String,
    /// Bytes.
    pub size: u64,
    /// SHA-256, 64 lower-case hexadecimal digits.
    pub sha256: String,
}

impl Manifest {
    pub(super) fn new(name: &str, part_size: u64) -> Self {
        Self {
            airbundle: VERSION,
            name: name.to_owned(),
            base: None,
            notes: Vec::new(),
            images: Vec::new(),
            files: Vec::new(),
            entries: Vec::new(),
            elsewhere: Vec::new(),
            part_size,
            parts: Vec::new(),
        }
    }

    /// The manifest's bytes, which are what is signed.
    pub fn render(&self) -> Vec<u8> {
        let mut bytes = serde_json::to_vec_pretty(self).expect("strings, numbers and lists of them are always JSON");
        bytes.push(b'\n');
        bytes
    }

    /// Reads a manifest and checks that it can be one: every name, every sum.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, String> {
        let manifest: Self = serde_json::from_slice(bytes).map_err(|e| e.to_string())?;
        if manifest.airbundle != VERSION {
            return Err(format!("format {} is not known, only {VERSION}", manifest.airbundle));
        }
        manifest.check_but_for_parts()?;
        manifest.check_parts()?;
        Ok(manifest)
    }

    /// All blobs, those of the base too: size by SHA-256.
    pub(super) fn blobs(&self) -> BTreeMap<&str, u64> {
        let own = self.entries.iter().filter(|e| e.path.starts_with(BLOBS));
        own.chain(&self.elsewhere).map(|e| (e.sha256.as_str(), e.size)).collect()
    }

    /// Which images and files a blob belongs to, in words.
    pub(super) fn owners(&self, sha256: &str) -> String {
        let images = self.images.iter().filter(|i| i.blobs.binary_search_by(|b| b.as_str().cmp(sha256)).is_ok());
        let files = self.files.iter().filter(|f| f.sha256 == sha256);
        let names = files.map(|f| format!("file {}", f.name)).chain(images.map(|i| format!("image {}", i.name)));
        let names: Vec<String> = names.collect();
        match names.as_slice() {
            [] => "the bundle itself".into(),
            [first] => first.clone(),
            [first, rest @ ..] => format!("{first} and {} more", rest.len()),
        }
    }

    /// Everything but the parts, which are not there yet while a bundle is made.
    pub(super) fn check_but_for_parts(&self) -> Result<(), String> {
        name(&self.name)?;
        if let Some(base) = &self.base {
            name(&base.name)?;
            hex("the base's manifest", &base.manifest)?;
        }
        self.notes.iter().try_for_each(|note| text("a note", note))?;
        self.check_entries()?;
        self.check_users()
    }

    fn check_entries(&self) -> Result<(), String> {
        let head = self.entries.len().min(HEAD.len());
        if self.entries[..head].iter().map(|e| e.path.as_str()).ne(HEAD) {
            return Err(format!("the stream does not begin with {}", HEAD.join(", ")));
        }
        self.entries[..head].iter().try_for_each(|e| hex(&e.path, &e.sha256))?;
        blobs_in_order(&self.entries[head..])?;
        blobs_in_order(&self.elsewhere)?;
        if self.base.is_none() && !self.elsewhere.is_empty() {
            return Err("blobs are elsewhere, but no base is named".into());
        }
        let own: BTreeSet<&str> = self.entries[head..].iter().map(|e| e.sha256.as_str()).collect();
        match self.elsewhere.iter().find(|e| own.contains(e.sha256.as_str())) {
            Some(both) => Err(format!("{} is here and elsewhere", both.path)),
            None => Ok(()),
        }
    }

    /// Every image and file has its blobs, and every blob its image or file.
    fn check_users(&self) -> Result<(), String> {
        let blobs = self.blobs();
        let mut used = BTreeSet::new();
        for (at, image) in self.images.iter().enumerate() {
            text("an image's name", &image.name)?;
            text("a media type", &image.media_type)?;
            if at > 0 && self.images[at - 1].name >= image.name {
                return Err(format!("images are not sorted at {}", image.name));
            }
            if image.blobs.windows(2).any(|pair| pair[0] >= pair[1]) {
                return Err(format!("the blobs of {} are not sorted", image.name));
            }
            let own = image.digest.strip_prefix("sha256:").unwrap_or_default();
            if !image.blobs.iter().any(|b| b == own) {
                return Err(format!("{} lacks its own manifest {}", image.name, image.digest));
            }
            if let Some(lost) = image.blobs.iter().find(|b| !blobs.contains_key(b.as_str())) {
                return Err(format!("{} lacks the blob {lost}", image.name));
            }
            used.extend(image.blobs.iter().map(String::as_str));
        }
        let mut names = BTreeSet::new();
        for file in &self.files {
            [&file.name, &file.kind, &file.version].into_iter().try_for_each(|t| text("a file's name", t))?;
            if !names.insert(file.name.to_lowercase()) {
                return Err(format!("two files are called {}, but for the case of their letters", file.name));
            }
            if blobs.get(file.sha256.as_str()) != Some(&file.size) {
                return Err(format!("{} lacks its content", file.name));
            }
            used.insert(&file.sha256);
        }
        match blobs.keys().find(|blob| !used.contains(*blob)) {
            Some(stray) => Err(format!("the blob {stray} belongs to nothing")),
            None => Ok(()),
        }
    }

    fn check_parts(&self) -> Result<(), String> {
        let total = stream::length(&self.entries).ok_or("the sizes are impossible")?;
        if self.part_size == 0 || total.div_ceil(self.part_size) != self.parts.len() as u64 {
            return Err(format!("{} parts of {} bytes are not the {total} bytes", self.parts.len(), self.part_size));
        }
        for (at, part) in self.parts.iter().enumerate() {
            hex(&part.file, &part.sha256)?;
            let left = total - at as u64 * self.part_size;
            if part.file != part_name(&self.name, at) || part.size != left.min(self.part_size) {
                return Err(format!("{:?} of {} bytes is not part {at}", short(&part.file), part.size));
            }
        }
        Ok(())
    }
}

pub(super) fn part_name(bundle: &str, at: usize) -> String {
    format!("{bundle}.airbundle.{at:03}")
}

fn blobs_in_order(entries: &[Entry]) -> Result<(), String> {
    for entry in entries {
        hex(&entry.path, &entry.sha256)?;
        if entry.path.strip_prefix(BLOBS) != Some(&entry.sha256) {
            return Err(format!("{:?} is not where that blob belongs", short(&entry.path)));
        }
    }
    match entries.windows(2).find(|pair| pair[0].sha256 >= pair[1].sha256) {
        Some(pair) => Err(format!("{} is out of order, or there twice", pair[1].path)),
        None => Ok(()),
    }
}

/// A bundle's name begins file names on any system.
pub(super) fn name(name: &str) -> Result<(), String> {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let ends = name.bytes().next().is_some_and(plain) && name.bytes().last().is_some_and(plain);
    match ends && name.len() <= 64 && name.bytes().all(|b| plain(b) || b"._-".contains(&b)) {
        true => Ok(()),
        false => Err(format!("{:?} is no name for a bundle: a-z, 0-9, '.', '_', '-', at most 64", short(name))),
    }
}

fn hex(what: &str, sha256: &str) -> Result<(), String> {
    match sha256.len() == 64 && sha256.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)) {
        true => Ok(()),
        false => Err(format!("{:?}: {:?} is no SHA-256", short(what), short(sha256))),
    }
}

/// A text that may be shown to a person.
fn text(what: &str, text: &str) -> Result<(), String> {
    match !text.is_empty() && text.len() <= LONGEST_TEXT && !text.chars().any(char::is_control) {
        true => Ok(()),
        false => Err(format!("{what} is not 1 to {LONGEST_TEXT} printable characters: {:?}", short(text))),
    }
}

fn short(text: &str) -> String {
    text.chars().take(80).collect()
}
