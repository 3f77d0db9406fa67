//! Docker archives (`docker save`, image specification v1.2): `manifest.json`, a config and uncompressed layers.

use std::collections::HashMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::archive::{Archive, not_an_image};
use super::local::{Content, Local, Named};
use super::unpack::Compression;
use crate::digest::Algorithm;
use crate::store::{Descriptor, OCI_MANIFEST};
use crate::{Digest, RegistryError};

const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
const GZIP_LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
const ZSTD_LAYER: &str = "application/vnd.oci.image.layer.v1.tar+zstd";

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Entry {
    config: String,
    repo_tags: Option<Vec<String>>,
    layers: Vec<String>,
}

#[derive(Deserialize)]
struct Config {
    rootfs: RootFs,
}

#[derive(Deserialize)]
struct RootFs {
    diff_ids: Vec<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct OciManifest<'a> {
    schema_version: u32,
    media_type: &'a str,
    config: Descriptor,
    layers: Vec<Descriptor>,
}

/// Every image of the archive, once per name.
pub(super) fn images(archive: &Arc<Archive>) -> Result<Vec<Named>, RegistryError> {
    let fail = |why: String| not_an_image(&archive.path, why);
    let entries: Vec<Entry> =
        serde_json::from_slice(&archive.document("manifest.json")?).map_err(|e| fail(format!("manifest.json: {e}")))?;
    let mut images = Vec::new();
    for entry in entries {
        let image = image(archive, &entry)?;
        let names = entry.repo_tags.filter(|tags| !tags.is_empty()).unwrap_or_else(|| vec![String::new()]);
        images.extend(names.into_iter().map(|reference| Named { reference, image: image.clone() }));
    }
    Ok(images)
}

/// An archive has no manifest of its own: an OCI manifest over its config and layers, as they are, is the same every
/// time, and the config's `diff_ids` are the digests of the layers.
fn image(archive: &Arc<Archive>, entry: &Entry) -> Result<Local, RegistryError> {
    let fail = |why: String| not_an_image(&archive.path, why);
    let config = archive.document(&entry.config)?;
    let parsed: Config = serde_json::from_slice(&config).map_err(|e| fail(format!("{}: {e}", entry.config)))?;
    if parsed.rootfs.diff_ids.len() != entry.layers.len() {
        return Err(fail("the config names another number of layers than manifest.json".into()));
    }
    let mut content = HashMap::new();
    let mut layers = Vec::new();
    for (name, diff_id) in entry.layers.iter().zip(&parsed.rootfs.diff_ids) {
        let diff_id: Digest = diff_id.parse().map_err(|_| fail(format!("{diff_id:?} is not a digest")))?;
        let size = archive.size(name).ok_or_else(|| fail(format!("layer {name} is not in it")))?;
        let (media_type, digest) = match archive.compression(name) {
            None => (LAYER, diff_id),
            Some(how @ Compression::Gzip) => (GZIP_LAYER, compressed(archive, name, how, &diff_id)?),
            Some(how @ Compression::Zstd) => (ZSTD_LAYER, compressed(archive, name, how, &diff_id)?),
        };
        layers.push(Descriptor::new(media_type, &digest, size));
        content.insert(digest, Content::File(name.clone()));
    }
    let config_digest = Digest::of(&config);
    let descriptor = Descriptor::new(CONFIG, &config_digest, config.len() as u64);
    let manifest = OciManifest { schema_version: 2, media_type: OCI_MANIFEST, config: descriptor, layers };
    let manifest = serde_json::to_vec(&manifest).map_err(|e| fail(e.to_string()))?;
    let digest = Digest::of(&manifest);
    content.insert(config_digest, Content::Bytes(config));
    content.insert(digest.clone(), Content::Bytes(manifest));
    Ok(Local { archive: archive.clone(), digest, content })
}

/// The digest of a compressed layer whose content has the digest `diff_id`.
fn compressed(archive: &Archive, name: &str, how: Compression, diff_id: &Digest) -> Result<Digest, RegistryError> {
    let open = || archive.open_file(name);
    let read = || Digest::of_reader(diff_id.algorithm(), how.unpack(open()?));
    let (got, _) = read().map_err(|e| not_an_image(&archive.path, format!("{name}: {e}")))?;
    if got != *diff_id {
        let what = format!("{name} in {}", archive.path.display());
        return Err(RegistryError::DigestMismatch { what, wanted: diff_id.to_string(), got: got.to_string() });
    }
    let read = || Digest::of_reader(Algorithm::Sha256, open()?);
    Ok(read().map_err(|e| not_an_image(&archive.path, e.to_string()))?.0)
}
