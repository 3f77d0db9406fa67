//! Whole images out of a store and into one, for who carries their blobs by other means than a registry.

use std::collections::BTreeSet;
use std::io::{self, Read};
use std::path::PathBuf;

use super::{Manifest, Store};
use crate::image_name::ImageName;
use crate::{Digest, Outcome, RegistryError, Repository};

/// Manifests are small; whatever is larger is none.
const LARGEST_MANIFEST: u64 = 16 << 20;
/// Deepest nesting of indexes that is followed.
const DEEPEST: usize = 4;

/// An image that a store holds whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredImage {
    /// The digest of its manifest or index.
    pub digest: Digest,
    /// The media type of that.
    pub media_type: String,
    /// Everything that belongs to it, itself included, sorted: digest, bytes, file.
    pub blobs: Vec<(Digest, u64, PathBuf)>,
}

/// Content by digest; `None` where it is not carried.
pub type Carrier<'a> = dyn Fn(&Digest) -> Option<Box<dyn Read + 'a>> + 'a;

impl Store {
    /// An image by digest, with the files of its blobs. Manifests of an index that are not here are left out.
    ///
    /// # Errors
    /// [`RegistryError::NotAnImage`] where something of it is missing.
    pub fn image(&self, digest: &Digest) -> Result<StoredImage, RegistryError> {
        let mut blobs = BTreeSet::new();
        let missing = || RegistryError::NotAnImage { origin: digest.to_string(), why: "not whole here".into() };
        let media_type = self.belonging(digest, &mut blobs).ok_or_else(missing)?;
        let place = |d: Digest| Some((d.clone(), self.blob_size(&d)?, self.layout.blob(&d)));
        let blobs = blobs.into_iter().map(|d| place(d).ok_or_else(missing)).collect::<Result<_, _>>()?;
        Ok(StoredImage { digest: digest.clone(), media_type, blobs })
    }

    /// Whether the store has an image under its name with this digest, as far as it is carried.
    ///
    /// # Errors
    /// [`RegistryError::Reference`] for a name that is none, [`RegistryError::File`] for a store that cannot be read.
    pub fn has_image(&self, reference: &str, digest: &Digest, carried: &Carrier<'_>) -> Result<bool, RegistryError> {
        let name = parse(reference)?;
        let tagged = match &name.tag {
            Some(tag) => self.resolve(&name.repository, tag)?.as_ref() == Some(digest),
            None => true,
        };
        let want = |child: &super::Descriptor| child.digest().is_ok_and(|digest| carried(&digest).is_some());
        Ok(tagged && self.is_complete(&name.repository, digest, &want)?)
    }

    /// Takes an image in: every blob that is missing, each hashed on its way, then the manifests, the tag last. Of an
    /// index, the manifests that are carried or here already.
    ///
    /// # Errors
    /// [`RegistryError::Reference`] for a name that is none, [`RegistryError::DigestMismatch`] for content that is not what
    /// it should be, [`RegistryError::ImageNotThere`] for a blob that is neither carried nor here.
    ///
    /// ```
    /// use registry_mirror::{Digest, Outcome, Store};
    /// let dir = tempfile::tempdir().unwrap();
    /// let store = Store::open(dir.path())?;
    /// let config = b"{}";
    /// let manifest = format!(r#"{{"schemaVersion": 2, "config": {{"digest": "{}", "size": 2}}}}"#, Digest::of(config));
    /// let digest = Digest::of(manifest.as_bytes());
    /// let carried = |wanted: &Digest| -> Option<Box<dyn std::io::Read>> {
    ///     let all: [&[u8]; 2] = [config, manifest.as_bytes()];
    ///     all.into_iter().find(|b| Digest::of(b) == *wanted).map(|b| Box::new(std::io::Cursor::new(b.to_vec())) as _)
    /// };
    /// assert_eq!(store.take_image("docker.io/library/a:1", &digest, &carried)?, Outcome::New);
    /// assert_eq!(store.take_image("docker.io/library/a:1", &digest, &carried)?, Outcome::Present);
    /// assert_eq!(store.image(&digest)?.blobs.len(), 2);
    /// # Ok::<(), registry_mirror::RegistryError>(())
    /// ```
    pub fn take_image(
        &self,
        reference: &str,
        digest: &Digest,
        carried: &Carrier<'_>,
    ) -> Result<Outcome, RegistryError> {
        if self.has_image(reference, digest, carried)? {
            return Ok(Outcome::Present);
        }
        let name = parse(reference)?;
        let old = name.tag.as_ref().map(|tag| self.resolve(&name.repository, tag)).transpose()?.flatten();
        self.take_manifest(reference, &name, digest, carried, 0)?;
        Ok(if old.is_none() { Outcome::New } else { Outcome::Changed })
    }

    fn take_manifest(
        &self,
        reference: &str,
        name: &ImageName,
        digest: &Digest,
        carried: &Carrier<'_>,
        depth: usize,
    ) -> Result<(), RegistryError> {
        let not_an_image = |why: String| RegistryError::NotAnImage { origin: reference.to_owned(), why };
        if depth > DEEPEST {
            return Err(not_an_image("indexes are nested too deeply".into()));
        }
        let bytes = self.manifest_bytes(reference, digest, carried)?;
        let manifest = Manifest::parse(&bytes).map_err(not_an_image)?;
        for child in manifest.children() {
            let child = child.digest().map_err(not_an_image)?;
            if carried(&child).is_some() || self.blob_size(&child).is_some() {
                self.take_manifest(reference, name, &child, carried, depth + 1)?;
            }
        }
        for blob in manifest.blobs() {
            let digest = blob.digest().map_err(not_an_image)?;
            self.take_blob(reference, &name.repository, &digest, blob.size, carried)?;
        }
        let subject = manifest.subject.as_ref().and_then(|s| s.digest().ok());
        let tag = name.tag.as_ref().filter(|_| depth == 0);
        self.put_manifest(&name.repository, tag, digest, &bytes, subject.as_ref()).map(drop)
    }

    fn manifest_bytes(
        &self,
        reference: &str,
        digest: &Digest,
        carried: &Carrier<'_>,
    ) -> Result<Vec<u8>, RegistryError> {
        let mut bytes = Vec::new();
        match carried(digest) {
            Some(content) => {
                content.take(LARGEST_MANIFEST).read_to_end(&mut bytes).map_err(|e| broken(reference, &e))?;
            }
            None if self.blob_size(digest).is_some_and(|size| size < LARGEST_MANIFEST) => {
                bytes = self.read_blob(digest)?;
            }
            None => return Err(not_there(reference, digest)),
        }
        let (got, _) = Digest::of_reader(digest.algorithm(), &bytes[..]).map_err(|e| broken(reference, &e))?;
        match got == *digest {
            true => Ok(bytes),
            false => Err(RegistryError::DigestMismatch {
                what: format!("a manifest of {reference}"),
                wanted: digest.to_string(),
                got: got.to_string(),
            }),
        }
    }

    fn take_blob(
        &self,
        reference: &str,
        repository: &Repository,
        digest: &Digest,
        size: u64,
        carried: &Carrier<'_>,
    ) -> Result<(), RegistryError> {
        if self.blob_size(digest) == Some(size) && self.mount(repository, digest)? {
            return Ok(());
        }
        let mut content = carried(digest).ok_or_else(|| not_there(reference, digest))?;
        let mut upload = self.begin_local(repository)?;
        let mut buffer = vec![0; 1 << 18];
        loop {
            match content.read(&mut buffer) {
                Ok(0) => break,
                Ok(n) => upload.append(&buffer[..n])?,
                Err(error) => {
                    upload.discard();
                    return Err(broken(reference, &error));
                }
            }
        }
        upload.finish(digest, &format!("a blob of {reference}"))
    }
}

fn parse(reference: &str) -> Result<ImageName, RegistryError> {
    reference.parse().map_err(|_| RegistryError::Reference { text: reference.to_owned() })
}

fn broken(reference: &str, error: &io::Error) -> RegistryError {
    RegistryError::NotAnImage { origin: reference.to_owned(), why: error.to_string() }
}

fn not_there(reference: &str, digest: &Digest) -> RegistryError {
    RegistryError::ImageNotThere { reference: format!("{digest} of {reference}"), origin: "what was carried".into() }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn blob(blobs: &BTreeMap<Digest, Vec<u8>>, digest: &Digest) -> Option<Box<dyn Read>> {
        blobs.get(digest).map(|b| Box::new(io::Cursor::new(b.clone())) as Box<dyn Read>)
    }

    fn add(blobs: &mut BTreeMap<Digest, Vec<u8>>, bytes: &str) -> String {
        blobs.insert(Digest::of(bytes.as_bytes()), bytes.into());
        format!(r#"{{"digest": "{}", "size": {}}}"#, Digest::of(bytes.as_bytes()), bytes.len())
    }

    /// An index of two images, of which the second is not carried.
    fn index(blobs: &mut BTreeMap<Digest, Vec<u8>>) -> Digest {
        let (config, layer) = (add(blobs, "{}"), add(blobs, "layer"));
        let one = add(blobs, &format!(r#"{{"schemaVersion": 2, "config": {config}, "layers": [{layer}]}}"#));
        let other = format!(r#"{{"digest": "{}", "size": 9}}"#, Digest::of(b"elsewhere"));
        let index = format!(r#"{{"schemaVersion": 2, "manifests": [{one}, {other}]}}"#);
        add(blobs, &index);
        Digest::of(index.as_bytes())
    }

    #[test]
    fn an_index_is_kept_whole_with_what_is_carried_of_it() {
        let dir = tempfile::tempdir().unwrap();
        let (from, to) = (Store::open(&dir.path().join("a")).unwrap(), Store::open(&dir.path().join("b")).unwrap());
        let mut blobs = BTreeMap::new();
        let digest = index(&mut blobs);
        assert_eq!(from.take_image("quay.io/x/y:1", &digest, &|d| blob(&blobs, d)).unwrap(), Outcome::New);
        let image = from.image(&digest).unwrap();
        assert_eq!(
            image.blobs.iter().map(|b| b.0.clone()).collect::<Vec<_>>(),
            blobs.keys().cloned().collect::<Vec<_>>()
        );
        let files = |wanted: &Digest| {
            let blob = image.blobs.iter().find(|b| b.0 == *wanted)?;
            Some(Box::new(std::fs::File::open(&blob.2).ok()?) as Box<dyn Read>)
        };
        assert_eq!(to.take_image("quay.io/x/y:1", &digest, &files).unwrap(), Outcome::New);
        assert_eq!(to.take_image("quay.io/x/y:1", &digest, &files).unwrap(), Outcome::Present);
        assert_eq!(to.verify().unwrap().findings.len(), 0);
        // under another name: no blob is carried twice
        let none = |wanted: &Digest| (*wanted == digest).then(|| Box::new(io::empty()) as Box<dyn Read>);
        assert!(to.take_image("quay.io/x/z:1", &digest, &none).is_err());
        assert_eq!(to.take_image("quay.io/x/z:1", &digest, &|_| None).unwrap(), Outcome::New);
    }

    #[test]
    fn content_that_is_not_what_it_should_be_is_not_kept() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let mut blobs = BTreeMap::new();
        let digest = index(&mut blobs);
        *blobs.get_mut(&Digest::of(b"layer")).unwrap() = b"LAYER".to_vec();
        let error = store.take_image("a:1", &digest, &|d| blob(&blobs, d)).unwrap_err();
        assert!(matches!(error, RegistryError::DigestMismatch { .. }), "{error}");
        blobs.remove(&Digest::of(b"layer"));
        let error = store.take_image("a:1", &digest, &|d| blob(&blobs, d)).unwrap_err();
        assert!(matches!(error, RegistryError::ImageNotThere { .. }), "{error}");
        assert!(store.catalog().unwrap().iter().all(|entry| entry.tags.is_empty()));
    }
}
