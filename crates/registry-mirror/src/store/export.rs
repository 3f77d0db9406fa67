//! Images as an OCI layout in a tar: what skopeo, crane, oras, containerd and k3s read.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufWriter, Read, Write};
use std::path::Path;

use serde_json::json;

use super::{Manifest, OCI_INDEX, Store, durable};
use crate::image_name::ImageName;
use crate::{Digest, RegistryError};

/// What containerd calls an image by its full name.
const FULL_NAME: &str = "io.containerd.image.name";
/// A tag, for everybody else.
const REF_NAME: &str = "org.opencontainers.image.ref.name";

impl Store {
    /// Writes images, by name and digest, with everything that belongs to them into a tar. The same images give the
    /// same bytes. The file is there whole or not at all.
    ///
    /// # Errors
    /// [`RegistryError::File`]; [`RegistryError::NotAnImage`] for an image that the store does not hold whole.
    pub fn export(&self, tar: &Path, images: &BTreeMap<String, Digest>) -> Result<(), RegistryError> {
        let write = || RegistryError::file(tar, "write");
        let dir = tar.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let temporary = tempfile::NamedTempFile::new_in(dir).map_err(RegistryError::file(dir, "write"))?;
        let mut out = BufWriter::with_capacity(1 << 18, temporary.as_file());
        self.write_layout(&mut out, images)?;
        out.flush().map_err(write())?;
        drop(out);
        temporary.as_file().sync_all().map_err(write())?;
        let (_, path) = temporary.keep().map_err(|e| write()(e.error))?;
        durable::rename(&path, tar).map_err(write())
    }

    fn write_layout(&self, out: &mut impl Write, images: &BTreeMap<String, Digest>) -> Result<(), RegistryError> {
        let missing = |name: &str| RegistryError::NotAnImage { origin: name.to_owned(), why: "not whole here".into() };
        let mut blobs = BTreeSet::new();
        let mut entries = Vec::new();
        for (name, digest) in images {
            let size = self.blob_size(digest).ok_or_else(|| missing(name))?;
            let media_type = self.belonging(digest, &mut blobs).ok_or_else(|| missing(name))?;
            let mut annotations = json!({ FULL_NAME: name });
            if let Some(tag) = tag_of(name) {
                annotations[REF_NAME] = tag.into();
            }
            let digest = digest.to_string();
            entries
                .push(json!({ "mediaType": media_type, "digest": digest, "size": size, "annotations": annotations }));
        }
        let index = json!({ "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries });
        let mut tar = tar::Builder::new(out);
        let failed = RegistryError::file(self.root(), "write");
        let mut add = |name: &str, size: u64, content: &mut dyn Read| {
            let mut header = tar::Header::new_gnu();
            header.set_size(size);
            header.set_mode(0o644);
            header.set_mtime(0);
            tar.append_data(&mut header, name, content)
        };
        let mut write = || {
            let (layout, index) = (br#"{"imageLayoutVersion":"1.0.0"}"#, index.to_string());
            add("oci-layout", layout.len() as u64, &mut &layout[..])?;
            add("index.json", index.len() as u64, &mut index.as_bytes())?;
            for digest in &blobs {
                let mut file = File::open(self.layout.blob(digest))?;
                let name = format!("blobs/{}/{}", digest.algorithm().name(), digest.hex());
                add(&name, file.metadata()?.len(), &mut file)?;
            }
            Ok::<(), std::io::Error>(())
        };
        let written = write().and_then(|()| tar.into_inner().map(drop));
        written.map_err(failed)
    }

    /// Collects what belongs to a manifest that is here; gives its media type.
    pub(super) fn belonging(&self, digest: &Digest, blobs: &mut BTreeSet<Digest>) -> Option<String> {
        let manifest = Manifest::parse(&self.read_blob(digest).ok()?).ok()?;
        blobs.insert(digest.clone());
        for blob in manifest.blobs() {
            let digest = blob.digest().ok()?;
            self.blob_size(&digest)?;
            blobs.insert(digest);
        }
        for child in manifest.children() {
            // Platforms that were not asked for are not here.
            if let Ok(child) = child.digest()
                && self.blob_size(&child).is_some()
            {
                self.belonging(&child, blobs)?;
            }
        }
        Some(manifest.media_type)
    }
}

fn tag_of(name: &str) -> Option<String> {
    let name: ImageName = name.trim_start_matches("http://").parse().ok()?;
    name.tag.map(|tag| tag.to_string())
}
