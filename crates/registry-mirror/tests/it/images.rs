//! Tiny images, made here.

use std::path::Path;

use registry_mirror::Digest;
use serde_json::json;

/// One uncompressed layer that holds one file.
pub(crate) fn layer(name: &str, content: &[u8]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    append(&mut tar, name, content);
    tar.into_inner().unwrap()
}

pub(crate) fn append(tar: &mut tar::Builder<impl std::io::Write>, name: &str, content: &[u8]) {
    let mut header = tar::Header::new_gnu();
    header.set_size(content.len() as u64);
    header.set_mode(0o644);
    header.set_cksum();
    tar.append_data(&mut header, name, content).unwrap();
}

pub(crate) fn config(layers: &[Vec<u8>]) -> Vec<u8> {
    let ids: Vec<_> = layers.iter().map(|l| Digest::of(l).to_string()).collect();
    let config = json!({
        "architecture": "amd64", "os": "linux", "config": {},
        "rootfs": { "type": "layers", "diff_ids": ids },
        "history": layers.iter().map(|_| json!({ "created_by": "test" })).collect::<Vec<_>>(),
    });
    config.to_string().into_bytes()
}

/// A docker archive as `docker save` writes it.
pub(crate) fn docker_archive(path: &Path, tags: &[&str], layers: &[Vec<u8>]) {
    let config = config(layers);
    let config_name = format!("{}.json", Digest::of(&config).hex());
    let mut tar = tar::Builder::new(std::fs::File::create(path).unwrap());
    append(&mut tar, &config_name, &config);
    let mut names = Vec::new();
    for layer in layers {
        let name = format!("{}.tar", Digest::of(layer).hex());
        if !names.contains(&name) {
            append(&mut tar, &name, layer);
        }
        names.push(name);
    }
    let manifest = json!([{ "Config": config_name, "RepoTags": tags, "Layers": names }]);
    append(&mut tar, "manifest.json", manifest.to_string().as_bytes());
    tar.into_inner().unwrap();
}
