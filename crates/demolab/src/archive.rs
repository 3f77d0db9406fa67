//! Docker-archive files, as `docker save` writes them: the same images give the same bytes.

use std::fs;
use std::io;
use std::path::Path;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// An image of one layer.
pub(crate) struct Image {
    pub(crate) reference: &'static str,
    pub(crate) layer: Vec<u8>,
    pub(crate) config: Value,
}

/// The archive of these images: configurations, layers, and `manifest.json` that names them.
pub(crate) fn archive(images: &[&Image]) -> io::Result<Vec<u8>> {
    let digest = |bytes: &[u8]| hex::encode(Sha256::digest(bytes));
    let mut archive = Layer::default();
    let mut manifest = Vec::new();
    for image in images {
        let layer = digest(&image.layer);
        let config = json!({
            "architecture": "amd64", "os": "linux", "created": "1970-01-01T00:00:00Z", "config": image.config,
            "rootfs": { "type": "layers", "diff_ids": [format!("sha256:{layer}")] },
        });
        let config = config.to_string().into_bytes();
        let (config_file, layer_file) = (format!("{}.json", digest(&config)), format!("{layer}.tar"));
        archive.file(&config_file, &config, 0o644)?;
        archive.file(&layer_file, &image.layer, 0o644)?;
        manifest.push(json!({ "Config": config_file, "RepoTags": [image.reference], "Layers": [layer_file] }));
    }
    archive.file("manifest.json", Value::from(manifest).to_string().as_bytes(), 0o644)?;
    archive.finish()
}

/// A tar file without times and owners.
pub(crate) struct Layer(tar::Builder<Vec<u8>>);

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

    pub(crate) fn file(&mut self, path: &str, bytes: &[u8], mode: u32) -> io::Result<()> {
        self.0.append_data(&mut Self::header(tar::EntryType::Regular, bytes.len(), mode), path, bytes)
    }

    pub(crate) fn folder(&mut self, path: &str, mode: u32) -> io::Result<()> {
        self.0.append_data(&mut Self::header(tar::EntryType::Directory, 0, mode), path, io::empty())
    }

    pub(crate) fn link(&mut self, path: &str, target: &str) -> io::Result<()> {
        self.0.append_link(&mut Self::header(tar::EntryType::Symlink, 0, 0o777), path, target)
    }

    pub(crate) fn finish(self) -> io::Result<Vec<u8>> {
        self.0.into_inner()
    }

    /// A folder of the disk with everything in it, in name order; programs and libraries, so all may be run.
    pub(crate) fn tree(&mut self, from: &Path, to: &str) -> io::Result<()> {
        let mut entries = fs::read_dir(from)?.collect::<io::Result<Vec<_>>>()?;
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let name = format!("{to}{}", entry.file_name().to_string_lossy());
            if entry.file_type()?.is_dir() {
                self.folder(&name, 0o755)?;
                self.tree(&entry.path(), &format!("{name}/"))?;
            } else {
                self.file(&name, &fs::read(entry.path())?, 0o755)?;
            }
        }
        Ok(())
    }
}
