//! Container images without a registry: docker-archive files, as `docker save` writes them.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use steps::Sink;

use crate::script::Script;
use crate::{Error, Result, cache};

const NAME: &str = "images";
const SCRIPT: &str = include_str!("../scripts/images.sh");
const BUSYBOX: &str = "/bin/busybox";

/// The sandbox image of k3s; the air-gap archive holds it.
pub const PAUSE: &str = "docker.io/rancher/mirrored-pause:3.6";
/// A page server for demonstrations: answers with its host name on port 8080; has sh, wget and nslookup.
pub const PAGE: &str = "docker.io/airlab/page:1";

/// As process 1 the shell must take the signal itself, or every pod would take its whole grace period to end.
const SERVE: &str = "trap 'exit 0' TERM INT; hostname > /www/index.html; httpd -f -p 8080 -h /www & wait";
const APPLETS: &[&str] = &[
    "cat", "date", "df", "echo", "env", "free", "head", "hostname", "httpd", "id", "ip", "ls", "mount", "nc",
    "nslookup", "ping", "ps", "sh", "sleep", "true", "uname", "vi", "wc", "wget",
];

/// The demo lab's images.
#[derive(Debug, Clone)]
pub struct Images {
    /// The archive for the agents' images folder.
    pub airgap: PathBuf,
    /// Images for the registry: reference and archive.
    pub registry: Vec<(String, PathBuf)>,
}

/// The images, from the cache or made.
pub fn images(cache: &Path, sink: &dyn Sink) -> Result<Images> {
    let busybox = fs::read(BUSYBOX).map_err(Error::cache(BUSYBOX))?;
    let recipe = json!([PAUSE, PAGE, SERVE, APPLETS, 1]).to_string(); // the number: how archives are written
    let hash = cache::hash([SCRIPT.as_bytes(), recipe.as_bytes(), &busybox]);
    let dir = cache::part(cache, NAME, &hash, sink, |dir| {
        Script::new(NAME, "build", SCRIPT, dir).env("OUT", dir).run(sink)?;
        let program = dir.join("pause");
        let pause = pause(&fs::read(&program).map_err(Error::cache(&program))?);
        for (file, image) in [("pause.tar", pause), ("page.tar", page(&busybox))] {
            let path = dir.join(file);
            image.and_then(|i| i.archive()).and_then(|bytes| fs::write(&path, bytes)).map_err(Error::cache(&path))?;
        }
        Ok(())
    })?;
    let registry = vec![(PAUSE.to_owned(), dir.join("pause.tar")), (PAGE.to_owned(), dir.join("page.tar"))];
    Ok(Images { airgap: dir.join("pause.tar"), registry })
}

/// An image of one layer.
struct Image {
    reference: &'static str,
    layer: Vec<u8>,
    config: Value,
}

fn pause(program: &[u8]) -> std::io::Result<Image> {
    let mut layer = Layer::default();
    layer.file("pause", program, 0o755)?;
    Ok(Image { reference: PAUSE, layer: layer.finish()?, config: json!({ "Entrypoint": ["/pause"] }) })
}

fn page(busybox: &[u8]) -> std::io::Result<Image> {
    let mut layer = Layer::default();
    layer.folder("bin", 0o755)?;
    layer.file("bin/busybox", busybox, 0o755)?;
    for applet in APPLETS {
        layer.link(&format!("bin/{applet}"), "busybox")?;
    }
    layer.folder("etc", 0o755)?;
    layer.file("etc/passwd", b"root:x:0:0:root:/:/bin/sh\n", 0o644)?;
    layer.folder("tmp", 0o1777)?;
    layer.folder("www", 0o755)?;
    let config = json!({
        "Cmd": ["/bin/sh", "-c", SERVE], "Env": ["PATH=/bin"], "WorkingDir": "/", "ExposedPorts": { "8080/tcp": {} },
    });
    Ok(Image { reference: PAGE, layer: layer.finish()?, config })
}

impl Image {
    /// The docker-archive: configuration, layer, and `manifest.json` that names them. The same image gives the same
    /// bytes.
    fn archive(&self) -> std::io::Result<Vec<u8>> {
        let digest = |bytes: &[u8]| cache::hex(&Sha256::digest(bytes));
        let layer = digest(&self.layer);
        let config = json!({
            "architecture": "amd64", "os": "linux", "created": "1970-01-01T00:00:00Z", "config": self.config,
            "rootfs": { "type": "layers", "diff_ids": [format!("sha256:{layer}")] },
        });
        let config = config.to_string().into_bytes();
        let (config_file, layer_file) = (format!("{}.json", digest(&config)), format!("{layer}.tar"));
        let manifest = json!([{ "Config": config_file, "RepoTags": [self.reference], "Layers": [layer_file] }]);
        let mut archive = Layer::default();
        archive.file(&config_file, &config, 0o644)?;
        archive.file(&layer_file, &self.layer, 0o644)?;
        archive.file("manifest.json", manifest.to_string().as_bytes(), 0o644)?;
        archive.finish()
    }
}

/// A tar file without times and owners.
struct Layer(tar::Builder<Vec<u8>>);

impl Default for Layer {
    fn default() -> Self {
        Self(tar::Builder::new(Vec::new()))
    }
}

impl Layer {
    fn header(kind: tar::EntryType, size: usize, mode: u32) -> tar::Header {
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(kind);
        header.set_size(size as u64);
        header.set_mode(mode);
        header.set_mtime(0);
        header.set_uid(0);
        header.set_gid(0);
        header
    }

    fn file(&mut self, path: &str, bytes: &[u8], mode: u32) -> std::io::Result<()> {
        self.0.append_data(&mut Self::header(tar::EntryType::Regular, bytes.len(), mode), path, bytes)
    }

    fn folder(&mut self, path: &str, mode: u32) -> std::io::Result<()> {
        self.0.append_data(&mut Self::header(tar::EntryType::Directory, 0, mode), path, std::io::empty())
    }

    fn link(&mut self, path: &str, target: &str) -> std::io::Result<()> {
        self.0.append_link(&mut Self::header(tar::EntryType::Symlink, 0, 0o777), path, target)
    }

    fn finish(self) -> std::io::Result<Vec<u8>> {
        self.0.into_inner()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use std::io::Read;

    fn files(tar: &[u8]) -> BTreeMap<String, Vec<u8>> {
        let read = |entry: std::io::Result<tar::Entry<'_, &[u8]>>| {
            let mut entry = entry.unwrap();
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).unwrap();
            (entry.path().unwrap().display().to_string(), bytes)
        };
        tar::Archive::new(tar).entries().unwrap().map(read).collect()
    }

    #[test]
    fn an_archive_holds_what_its_manifest_names() {
        let archive = files(&page(b"busybox's bytes").unwrap().archive().unwrap());
        let manifest: Value = serde_json::from_slice(&archive["manifest.json"]).unwrap();
        assert_eq!(manifest[0]["RepoTags"], json!([PAGE]));
        let config = &archive[manifest[0]["Config"].as_str().unwrap()];
        let layer = &archive[manifest[0]["Layers"][0].as_str().unwrap()];
        let config: Value = serde_json::from_slice(config).unwrap();
        assert_eq!(config["rootfs"]["diff_ids"], json!([format!("sha256:{}", cache::hex(&Sha256::digest(layer)))]));
        assert_eq!(files(layer)["bin/busybox"], b"busybox's bytes");
        assert!(APPLETS.iter().all(|a| files(layer).contains_key(&format!("bin/{a}"))));
    }

    #[test]
    fn the_same_image_is_the_same_bytes() {
        let one = pause(b"program").unwrap().archive().unwrap();
        assert_eq!(one, pause(b"program").unwrap().archive().unwrap());
        assert_ne!(one, pause(b"programme").unwrap().archive().unwrap());
    }
}
