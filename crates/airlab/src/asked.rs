//! Which images k3s and charts will ask for, and which of them no lock pins.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use artifacts::{ArtifactError, Lock};
use registry_mirror::full_name;
use serde::Serialize;
use serde_json::Value;

use crate::Failure;

/// An image that somebody asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Asked {
    /// Its full name.
    pub image: String,
    /// The file that asks for it.
    pub by: PathBuf,
    /// Its digest in the lock; `None` where it is not pinned, or where the file asks for another digest.
    pub digest: Option<String>,
}

/// The images of k3s's air-gap archives and of rendered charts (as `helm template` prints them), each with its digest in
/// the lock. `scratch` takes compressed archives for a moment.
///
/// # Errors
/// What keeps a file from being read.
pub async fn asked(
    archives: &[PathBuf],
    rendered: &[PathBuf],
    lock: &Lock,
    scratch: &Path,
) -> Result<Vec<Asked>, Failure> {
    let mut all: BTreeMap<String, PathBuf> = BTreeMap::new();
    for path in archives {
        for name in registry_mirror::names_in(path, scratch).await? {
            all.entry(full_name(&name).unwrap_or(name)).or_insert_with(|| path.clone());
        }
    }
    for path in rendered {
        let text = std::fs::read_to_string(path).map_err(|source| crate::AirlabError::File {
            path: path.clone(),
            action: "not read",
            source,
        })?;
        let names = in_manifests(&text).map_err(|why| ArtifactError::Form {
            name: "rendered chart".into(),
            origin: path.display().to_string(),
            why,
        })?;
        for name in names {
            all.entry(name).or_insert_with(|| path.clone());
        }
    }
    Ok(all.into_iter().map(|(image, by)| Asked { digest: pinned(&image, lock), image, by }).collect())
}

fn pinned(image: &str, lock: &Lock) -> Option<String> {
    let (name, asked) = match image.split_once('@') {
        Some((name, digest)) => (name, Some(digest)),
        None => (image, None),
    };
    let by_name = lock.image(name).map(|pin| pin.digest.clone());
    let by_digest = || lock.images.iter().find(|pin| Some(pin.digest.as_str()) == asked).map(|pin| pin.digest.clone());
    by_name.or_else(by_digest).filter(|digest| asked.is_none_or(|asked| asked == digest))
}

/// Every `image:` of every document.
fn in_manifests(text: &str) -> Result<Vec<String>, String> {
    let documents: Vec<Value> = serde_saphyr::from_multiple(text).map_err(|e| e.to_string())?;
    let mut names = Vec::new();
    for document in &documents {
        collect(document, &mut names);
    }
    names.into_iter().map(|name| full_name(name).ok_or_else(|| format!("{name:?} is not an image's name"))).collect()
}

fn collect<'v>(value: &'v Value, names: &mut Vec<&'v str>) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                match (key.as_str(), value) {
                    ("image", Value::String(name)) => names.push(name),
                    _ => collect(value, names),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, names)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use artifacts::ImagePin;

    use super::*;

    const RENDERED: &str = "---\n# Source: ks-core/templates/empty.yaml\n---\napiVersion: apps/v1\nkind: Deployment\n\
        spec:\n  template:\n    spec:\n      initContainers:\n      - {name: wait, image: 'kubesphere/kubectl:v1.27.16'}\n\
        \u{20}     containers:\n      - name: api\n        image: docker.io/kubesphere/ks-apiserver:v4.1.3\n\
        ---\nkind: Job\nspec: {template: {spec: {containers: [{image: nginx}]}}}\n";

    fn lock(names: &[&str]) -> Lock {
        let mut lock = Lock::default();
        for name in names {
            let digest = format!("sha256:{}", "a".repeat(64));
            lock.pin_image(ImagePin { name: (*name).into(), digest, size: 1 });
        }
        lock
    }

    #[tokio::test]
    async fn s8_one_image_less_in_the_lock_is_found_and_named() {
        let dir = tempfile::tempdir().unwrap();
        let chart = dir.path().join("rendered.yaml");
        std::fs::write(&chart, RENDERED).unwrap();
        // what `docker save` writes, without the layers
        let manifest = r#"[{"Config":"c.json","RepoTags":["rancher/mirrored-pause:3.6"],"Layers":[]}]"#;
        let mut tar = tar::Builder::new(Vec::new());
        for (name, text) in [("manifest.json", manifest), ("c.json", r#"{"rootfs":{"diff_ids":[]}}"#)] {
            let mut header = tar::Header::new_ustar();
            header.set_size(text.len() as u64);
            tar.append_data(&mut header, name, text.as_bytes()).unwrap();
        }
        let airgap = dir.path().join("airgap.tar");
        std::fs::write(&airgap, tar.into_inner().unwrap()).unwrap();

        let all = [
            "docker.io/kubesphere/ks-apiserver:v4.1.3",
            "docker.io/kubesphere/kubectl:v1.27.16",
            "docker.io/library/nginx:latest",
            "docker.io/rancher/mirrored-pause:3.6",
        ];
        for missing in 0..=all.len() {
            let kept: Vec<&str> = all.iter().enumerate().filter(|(i, _)| *i != missing).map(|(_, n)| *n).collect();
            let (archives, charts, lock) = ([airgap.clone()], [chart.clone()], lock(&kept));
            let found = asked(&archives, &charts, &lock, dir.path()).await.unwrap();
            assert_eq!(found.iter().map(|a| a.image.as_str()).collect::<Vec<_>>(), all);
            let unpinned: Vec<&str> = found.iter().filter(|a| a.digest.is_none()).map(|a| a.image.as_str()).collect();
            assert_eq!(unpinned, all.get(missing).into_iter().copied().collect::<Vec<_>>());
        }
    }

    #[test]
    fn another_digest_than_the_locks_is_not_pinned() {
        let lock = lock(&["quay.io/a/b:1"]);
        let with = |digit: &str| format!("@sha256:{}", digit.repeat(64));
        assert!(pinned(&format!("quay.io/a/b:1{}", with("a")), &lock).is_some());
        assert!(pinned(&format!("quay.io/a/b{}", with("a")), &lock).is_some());
        assert!(pinned(&format!("quay.io/a/b:1{}", with("b")), &lock).is_none());
    }

    #[test]
    fn a_text_that_is_no_yaml_is_said_to_be_none() {
        assert!(in_manifests("a: [").is_err());
        assert!(in_manifests("image: UPPER CASE\n").unwrap_err().contains("UPPER CASE"));
        assert!(in_manifests("").unwrap().is_empty());
    }
}
