//! An image set of the shape of KubeSphere's: 26 references in 26 repositories, 30 manifests, 84 distinct blobs of 111.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// What an image is wrapped in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Docker,
    Oci,
    /// A docker manifest list of two platforms.
    DockerList,
    /// An OCI index of two platforms.
    OciIndex,
}
use Kind::{Docker, DockerList, Oci, OciIndex};

/// Name, wrapping, base, and the size of each layer of its own, in tenths of a MiB.
type Shape = (&'static str, Kind, &'static str, &'static [u64]);

/// Layers that images share, in tenths of a MiB. The first of `node` is debian's.
const BASES: &[(&str, &[u64])] =
    &[("alpine", &[34]), ("distroless", &[8, 14]), ("debian", &[280]), ("node", &[280, 110, 460]), ("ubi", &[380, 40])];

const SHAPES: &[Shape] = &[
    ("kubesphere/ks-apiserver:v4.1.3", Docker, "alpine", &[580, 60]),
    ("kubesphere/ks-controller-manager:v4.1.3", Docker, "alpine", &[520, 90, 60]),
    ("kubesphere/ks-console:v4.1.3", Docker, "node", &[340, 50]),
    ("kubesphere/ks-extensions-museum:v1.1.3", Oci, "alpine", &[220]),
    ("kubesphere/kubectl:v1.27.16", DockerList, "alpine", &[240, 120]),
    ("kubesphere/redis-exporter:v1.55.0", Docker, "distroless", &[40]),
    ("library/redis:7.2.4-alpine", Oci, "alpine", &[10, 90]),
    ("library/haproxy:2.9.6-alpine", Docker, "alpine", &[20, 80]),
    ("rancher/mirrored-pause:3.6", Docker, "none", &[10]),
    ("rancher/mirrored-coredns-coredns:1.12.3", Oci, "distroless", &[170]),
    ("rancher/mirrored-metrics-server:v0.8.0", OciIndex, "distroless", &[190]),
    ("rancher/local-path-provisioner:v0.0.31", Docker, "alpine", &[150, 30]),
    ("rancher/klipper-helm:v0.9.8", Docker, "alpine", &[640, 40]),
    ("rancher/klipper-lb:v0.4.13", Docker, "alpine", &[20]),
    ("rancher/mirrored-library-traefik:3.3.6", Oci, "alpine", &[480]),
    ("rancher/mirrored-library-busybox:1.36.1", Docker, "none", &[20]),
    ("kubesphere/whizard-telemetry-apiserver:v1.2.2", Oci, "alpine", &[400, 70]),
    ("opensearchproject/opensearch:2.8.0", Docker, "ubi", &[1200, 440, 10]),
    ("opensearchproject/opensearch-dashboards:2.8.0", Oci, "ubi", &[860, 10]),
    ("prometheus/prometheus:v2.51.2", Oci, "distroless", &[420, 380]),
    ("prometheus/alertmanager:v0.27.0", Oci, "distroless", &[140, 120]),
    ("prometheus/node-exporter:v1.8.1", Docker, "distroless", &[90]),
    ("grafana/loki:2.9.6", Oci, "debian", &[260]),
    ("jimmidyson/configmap-reload:v0.9.0", Docker, "distroless", &[40]),
    ("curlimages/curl:8.7.1", Oci, "alpine", &[50, 10]),
    ("thanosio/thanos:v0.36.1", Oci, "debian", &[470]),
];

/// What [`write()`] made.
#[derive(Debug, Clone, Default)]
pub struct ImageSet {
    /// `docker.io/...` names, in order.
    pub references: Vec<String>,
    /// Distinct blobs.
    pub blobs: usize,
    /// Their bytes.
    pub bytes: u64,
}

/// Writes the set as an OCI layout into the folder `dir`; a layer has `tenth` bytes for each tenth of a MiB of the
/// real thing's (104858 for the full 1.1 GiB). The same bytes every time.
///
/// # Errors
/// What the file system says.
pub fn write(dir: &Path, tenth: u64) -> io::Result<ImageSet> {
    let blobs = dir.join("blobs/sha256");
    fs::create_dir_all(&blobs)?;
    fs::write(dir.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#)?;
    let mut set = Writer { blobs: &blobs, tenth, seen: BTreeSet::new(), bytes: 0 };
    let mut entries = Vec::new();
    let mut references = Vec::new();
    for shape in SHAPES {
        let reference = format!("docker.io/{}", shape.0);
        let mut entry = set.image(*shape)?;
        entry["annotations"] = json!({ "io.containerd.image.name": reference });
        entries.push(entry);
        references.push(reference);
    }
    let index = json!({ "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries });
    fs::write(dir.join("index.json"), index.to_string())?;
    Ok(ImageSet { references, blobs: set.seen.len(), bytes: set.bytes })
}

const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
const OCI: [&str; 3] = [
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.oci.image.config.v1+json",
    "application/vnd.oci.image.layer.v1.tar+gzip",
];
const DOCKER: [&str; 3] = [
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.docker.container.image.v1+json",
    "application/vnd.docker.image.rootfs.diff.tar.gzip",
];

struct Writer<'a> {
    blobs: &'a Path,
    tenth: u64,
    seen: BTreeSet<String>,
    bytes: u64,
}

impl Writer<'_> {
    fn image(&mut self, (name, kind, base, own): Shape) -> io::Result<Value> {
        let docker = matches!(kind, Docker | DockerList);
        let several = matches!(kind, DockerList | OciIndex);
        let mut manifests = Vec::new();
        for architecture in if several { &["amd64", "arm64"][..] } else { &["amd64"] } {
            let mut manifest = self.platform(name, base, own, docker, architecture)?;
            manifest["platform"] = json!({ "os": "linux", "architecture": architecture });
            manifests.push(manifest);
        }
        if !several {
            return Ok(manifests.swap_remove(0));
        }
        let media_type = if docker { "application/vnd.docker.distribution.manifest.list.v2+json" } else { OCI_INDEX };
        let index = json!({ "schemaVersion": 2, "mediaType": media_type, "manifests": manifests });
        self.document(media_type, &index)
    }

    fn platform(&mut self, name: &str, base: &str, own: &[u64], docker: bool, architecture: &str) -> io::Result<Value> {
        let types = if docker { DOCKER } else { OCI };
        let mut layers = Vec::new();
        let below = BASES.iter().find(|(b, _)| *b == base).map_or(&[][..], |(_, sizes)| sizes);
        for (i, tenths) in below.iter().enumerate() {
            let base = if (base, i) == ("node", 0) { "debian" } else { base };
            layers.push(self.layer(types[2], &format!("{base}/{i}/{architecture}"), *tenths)?);
        }
        for (i, tenths) in own.iter().enumerate() {
            layers.push(self.layer(types[2], &format!("{name}/{i}/{architecture}"), *tenths)?);
        }
        let ids: Vec<Value> = layers.iter().map(|layer| layer["digest"].clone()).collect();
        let config = json!({ "architecture": architecture, "os": "linux", "config": { "Labels": { "ref": name } },
            "rootfs": { "type": "layers", "diff_ids": ids } });
        let config = self.blob_of(types[1], config.to_string().as_bytes())?;
        let manifest = json!({ "schemaVersion": 2, "mediaType": types[0], "config": config, "layers": layers });
        self.document(types[0], &manifest)
    }

    /// A manifest: in the folder of blobs, but none of those that are counted.
    fn document(&self, media_type: &str, document: &Value) -> io::Result<Value> {
        let text = document.to_string();
        let hex = hex::encode(Sha256::digest(&text));
        fs::write(self.blobs.join(&hex), &text)?;
        Ok(json!({ "mediaType": media_type, "digest": format!("sha256:{hex}"), "size": text.len() }))
    }

    fn blob_of(&mut self, media_type: &str, bytes: &[u8]) -> io::Result<Value> {
        let hex = hex::encode(Sha256::digest(bytes));
        fs::write(self.blobs.join(&hex), bytes)?;
        self.count(&hex, bytes.len() as u64);
        Ok(json!({ "mediaType": media_type, "digest": format!("sha256:{hex}"), "size": bytes.len() }))
    }

    /// A layer that nobody will unpack: a gzip header, then bytes that follow from its key and do not compress.
    fn layer(&mut self, media_type: &str, key: &str, tenths: u64) -> io::Result<Value> {
        let size = (tenths * self.tenth).max(32);
        let path = self.blobs.join("new");
        let mut file = BufWriter::with_capacity(1 << 20, File::create(&path)?);
        let mut hasher = Sha256::new();
        let seed = Sha256::digest(key);
        let mut state = seed.iter().fold(1u64, |state, byte| (state << 8) ^ (state >> 56) ^ u64::from(*byte)) | 1;
        let mut piece = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3];
        let mut left = size;
        while left > 0 {
            while piece.len() < 1 << 16 {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                piece.extend_from_slice(&state.to_le_bytes());
            }
            let n = piece.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            hasher.update(&piece[..n]);
            file.write_all(&piece[..n])?;
            left -= n as u64;
            piece.clear();
        }
        file.into_inner()?;
        let hex = hex::encode(hasher.finalize());
        fs::rename(&path, self.blobs.join(&hex))?;
        self.count(&hex, size);
        Ok(json!({ "mediaType": media_type, "digest": format!("sha256:{hex}"), "size": size }))
    }

    fn count(&mut self, hex: &str, size: u64) {
        if self.seen.insert(hex.to_owned()) {
            self.bytes += size;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_set_has_the_shape_that_is_promised() {
        let dir = tempfile::tempdir().unwrap();
        let set = write(dir.path(), 4).unwrap();
        assert_eq!((set.references.len(), set.blobs), (26, 84));
        assert_eq!(fs::read_dir(dir.path().join("blobs/sha256")).unwrap().count(), 84 + 30);
    }
}
