//! One image after another, and what was acknowledged.

use std::sync::Mutex;

use registry_mirror::Digest;
use serde_json::json;

const IMAGE: &str = "application/vnd.oci.image.manifest.v1+json";

/// What the registry said it has: `(repository, digest)` of blobs, `(repository, tag, digest)` of images.
#[derive(Debug, Default)]
pub(crate) struct Acknowledged {
    pub(crate) blobs: Mutex<Vec<(String, Digest)>>,
    pub(crate) images: Mutex<Vec<(String, String, Digest)>>,
    pub(crate) refused: Mutex<Vec<(u16, String)>>,
}

pub(crate) struct Pusher<'a> {
    pub(crate) client: reqwest::Client,
    pub(crate) url: &'a str,
    pub(crate) repository: String,
    pub(crate) said: &'a Acknowledged,
}

impl Pusher<'_> {
    /// Pushes an image with a layer of its own; none when the registry is gone or refused something.
    pub(crate) async fn push(&self, tag: &str, layer: Vec<u8>) -> Option<()> {
        let config = format!("{{\"tag\":\"{tag}\"}}").into_bytes();
        let describe = |digest: Digest, size: usize| json!({ "mediaType": "application/x", "digest": digest.to_string(), "size": size });
        let sizes = (layer.len(), config.len());
        let layers = [describe(self.blob(layer, false).await?, sizes.0)];
        let manifest = json!({ "schemaVersion": 2, "mediaType": IMAGE, "config": describe(self.blob(config, true).await?, sizes.1), "layers": layers });
        let bytes = manifest.to_string().into_bytes();
        let digest = Digest::of(&bytes);
        let url = format!("{}/v2/{}/manifests/{tag}", self.url, self.repository);
        let put = self.client.put(url).header("content-type", IMAGE).body(bytes);
        self.done(put.send().await.ok()?).await?;
        self.said.images.lock().unwrap().push((self.repository.clone(), tag.to_owned(), digest));
        Some(())
    }

    async fn blob(&self, bytes: Vec<u8>, single: bool) -> Option<Digest> {
        let digest = Digest::of(&bytes);
        let uploads = format!("{}/v2/{}/blobs/uploads/", self.url, self.repository);
        let request = if single {
            self.client.post(format!("{uploads}?digest={digest}"))
        } else {
            let begun = self.client.post(uploads).header("content-length", 0).send().await.ok()?;
            let location = begun.headers().get("location")?.to_str().ok()?.to_owned();
            self.client.put(format!("{}{location}?digest={digest}", self.url))
        };
        self.done(request.body(bytes).send().await.ok()?).await?;
        self.said.blobs.lock().unwrap().push((self.repository.clone(), digest.clone()));
        Some(digest)
    }

    async fn done(&self, answer: reqwest::Response) -> Option<()> {
        let status = answer.status().as_u16();
        if status == 201 {
            return Some(());
        }
        let text = answer.text().await.unwrap_or_default();
        self.said.refused.lock().unwrap().push((status, text));
        None
    }
}
