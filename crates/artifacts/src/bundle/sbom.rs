//! What a bundle is made of, as SPDX 2.3.

use super::Manifest;
use crate::artifact::sha256_hex;
use crate::spdx::{Document, Package};

/// The document, for a manifest whose images, files and blobs are known. Its own digest cannot be in it.
pub(super) fn render(manifest: &Manifest, head: &[(&str, &[u8])]) -> Vec<u8> {
    let mut document = Document::new(&manifest.name);
    document.add(Package::new("bundle", &manifest.name));
    document.relate("DOCUMENT", "DESCRIBES", "bundle");
    let mut add = |id: &str, package: Package| {
        document.add(package);
        document.relate("bundle", "CONTAINS", id);
    };
    for (name, bytes) in head {
        let id = format!("head-{}", name.replace('_', "-"));
        add(&id, Package::new(&id, name).sha256(&sha256_hex(bytes)));
    }
    for (at, file) in manifest.files.iter().enumerate() {
        let id = format!("file-{at}");
        add(&id, Package::new(&id, &file.name).version(&file.version).sha256(&file.sha256));
    }
    for (at, image) in manifest.images.iter().enumerate() {
        let id = format!("image-{at}");
        let digest = image.digest.trim_start_matches("sha256:");
        add(&id, Package::new(&id, &image.name).version(&image.digest).sha256(digest));
    }
    for (sha256, _) in manifest.blobs() {
        let id = format!("blob-{sha256}");
        document.add(Package::new(&id, &format!("blobs/sha256/{sha256}")).sha256(sha256));
    }
    for (at, file) in manifest.files.iter().enumerate() {
        document.relate(&format!("file-{at}"), "CONTAINS", &format!("blob-{}", file.sha256));
    }
    for (at, image) in manifest.images.iter().enumerate() {
        for sha256 in &image.blobs {
            document.relate(&format!("image-{at}"), "CONTAINS", &format!("blob-{sha256}"));
        }
    }
    document.render("bundle")
}
