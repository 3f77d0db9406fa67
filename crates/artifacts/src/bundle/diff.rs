//! What is different between two bundles.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Manifest;

/// One image or file that is new, gone or changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// `image` or `file`.
    pub kind: &'static str,
    /// Its name.
    pub name: String,
    /// Version and digest in the older bundle, where it has it.
    pub was: Option<String>,
    /// Version and digest in the newer bundle, where it has it.
    pub is: Option<String>,
    /// Bytes of it in the newer bundle; in the older one where it is gone.
    pub bytes: u64,
    /// Bytes of it that the older bundle has not.
    pub new_bytes: u64,
}

/// What is different between two bundles.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Only in the newer one.
    pub new: Vec<Change>,
    /// Only in the older one.
    pub gone: Vec<Change>,
    /// In both, but not the same.
    pub changed: Vec<Change>,
    /// Images and files that are the same.
    pub same: usize,
    /// Bytes of blobs that only the newer one has: what a differential bundle carries.
    pub new_bytes: u64,
    /// Bytes of blobs that both have.
    pub shared_bytes: u64,
}

/// An image or file with what it is made of.
struct Thing<'a> {
    version: String,
    blobs: Vec<&'a str>,
}

impl Difference {
    /// From the older to the newer.
    pub fn between(older: &Manifest, newer: &Manifest) -> Self {
        let (before, after) = (things(older), things(newer));
        let (had, has) = (older.blobs(), newer.blobs());
        let change = |key: &(&'static str, &str), was: Option<&Thing<'_>>, is: Option<&Thing<'_>>| {
            let (blobs, sizes) = (is.or(was).map(|t| t.blobs.as_slice()).unwrap_or_default(), [&has, &had]);
            let size = |b: &&str| sizes.iter().find_map(|s| s.get(b)).copied().unwrap_or_default();
            Change {
                kind: key.0,
                name: key.1.to_owned(),
                was: was.map(|t| t.version.clone()),
                is: is.map(|t| t.version.clone()),
                bytes: blobs.iter().map(size).sum(),
                new_bytes: blobs.iter().filter(|b| !had.contains_key(*b)).map(size).sum(),
            }
        };
        let mut difference = Self::default();
        for (key, is) in &after {
            match before.get(key) {
                None => difference.new.push(change(key, None, Some(is))),
                Some(was) if was.version != is.version => difference.changed.push(change(key, Some(was), Some(is))),
                Some(_) => difference.same += 1,
            }
        }
        let gone = before.iter().filter(|(key, _)| !after.contains_key(*key));
        difference.gone = gone.map(|(key, was)| change(key, Some(was), None)).collect();
        for (blob, size) in &has {
            let bytes = if had.contains_key(blob) { &mut difference.shared_bytes } else { &mut difference.new_bytes };
            *bytes += size;
        }
        difference
    }

    /// Whether nothing is.
    pub fn is_empty(&self) -> bool {
        self.new.is_empty() && self.gone.is_empty() && self.changed.is_empty()
    }
}

fn things(manifest: &Manifest) -> BTreeMap<(&'static str, &str), Thing<'_>> {
    let images = manifest.images.iter().map(|image| {
        let blobs = image.blobs.iter().map(String::as_str).collect();
        (("image", image.name.as_str()), Thing { version: image.digest.clone(), blobs })
    });
    let files = manifest.files.iter().map(|file| {
        let version = format!("{} sha256:{}", file.version, file.sha256);
        (("file", file.name.as_str()), Thing { version, blobs: vec![file.sha256.as_str()] })
    });
    images.chain(files).collect()
}
