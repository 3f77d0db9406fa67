//! What a bundle is made of, as SPDX 2.3.

use serde_json::{Value, json};

use super::Manifest;
use crate::artifact::sha256_hex;

/// The document, for a manifest whose images, files and blobs are known. Its own digest cannot be in it.
pub(super) fn render(manifest: &Manifest, head: &[(&str, &[u8])]) -> Vec<u8> {
    let mut packages = vec![package("bundle", &manifest.name, None, None)];
    let mut relations = vec![relation("SPDXRef-DOCUMENT", "DESCRIBES", "SPDXRef-bundle")];
    let mut add = |id: &str, package: Value| {
        packages.push(package);
        relations.push(relation("SPDXRef-bundle", "CONTAINS", &format!("SPDXRef-{id}")));
    };
    for (name, bytes) in head {
        let id = format!("head-{}", name.replace('_', "-"));
        add(&id, package(&id, name, None, Some(&sha256_hex(bytes))));
    }
    for (at, file) in manifest.files.iter().enumerate() {
        let id = format!("file-{at}");
        add(&id, package(&id, &file.name, Some(&file.version), Some(&file.sha256)));
    }
    for (at, image) in manifest.images.iter().enumerate() {
        let id = format!("image-{at}");
        let digest = image.digest.trim_start_matches("sha256:");
        add(&id, package(&id, &image.name, Some(&image.digest), Some(digest)));
    }
    for (sha256, _) in manifest.blobs() {
        let id = format!("blob-{sha256}");
        packages.push(package(&id, &format!("blobs/sha256/{sha256}"), None, Some(sha256)));
    }
    let mut contain = |owner: String, sha256: &str| {
        relations.push(relation(&format!("SPDXRef-{owner}"), "CONTAINS", &format!("SPDXRef-blob-{sha256}")));
    };
    manifest.files.iter().enumerate().for_each(|(at, file)| contain(format!("file-{at}"), &file.sha256));
    for (at, image) in manifest.images.iter().enumerate() {
        image.blobs.iter().for_each(|sha256| contain(format!("image-{at}"), sha256));
    }
    let content = sha256_hex(json!([packages, relations]).to_string().as_bytes());
    let document = json!({
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": manifest.name,
        // a name, not an address; `invalid` is never one (RFC 2606)
        "documentNamespace": format!("https://airlab.invalid/bundle/{}/{content}", manifest.name),
        "creationInfo": { "created": "1970-01-01T00:00:00Z", "creators": ["Tool: airlab"] },
        "packages": packages,
        "relationships": relations,
    });
    let mut bytes = serde_json::to_vec_pretty(&document).expect("a JSON value is always JSON");
    bytes.push(b'\n');
    bytes
}

fn package(id: &str, name: &str, version: Option<&str>, sha256: Option<&str>) -> Value {
    let mut package = json!({
        "SPDXID": format!("SPDXRef-{id}"),
        "name": name,
        "downloadLocation": "NOASSERTION",
        "filesAnalyzed": false,
        "licenseConcluded": "NOASSERTION",
        "licenseDeclared": "NOASSERTION",
        "copyrightText": "NOASSERTION",
    });
    if let Some(version) = version {
        package["versionInfo"] = version.into();
    }
    if let Some(sha256) = sha256 {
        package["checksums"] = json!([{ "algorithm": "SHA256", "checksumValue": sha256 }]);
    }
    package
}

fn relation(from: &str, kind: &str, to: &str) -> Value {
    json!({ "spdxElementId": from, "relationshipType": kind, "relatedSpdxElement": to })
}
