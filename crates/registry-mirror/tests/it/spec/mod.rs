//! One test per requirement of the OCI distribution specification 1.1 on registries. The first lines of each say
//! which: `LEVEL | section | requirement`. `docs/registry-spec.md` is made from these lines.

mod chunks;
mod errors;
mod manage;
mod manifests;
mod pull;
mod push;
mod referrers;
mod table;
mod tags;

use registry_mirror::{Algorithm, Digest};
use reqwest::header::HeaderMap;
use serde_json::{Value, json};

use crate::Lab;

pub(super) const IMAGE: &str = "application/vnd.oci.image.manifest.v1+json";
pub(super) const INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub(super) const DOCKER: &str = "application/vnd.docker.distribution.manifest.v2+json";
pub(super) const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";

/// An answer, read to its end.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

impl Answer {
    /// A header's value; empty where there is none.
    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// Status and error code.
    pub(super) fn refusal(&self) -> (u16, String) {
        (self.status, self.json()["errors"][0]["code"].as_str().unwrap().to_owned())
    }
}

impl Lab {
    /// A request; `path` may be a whole address, as `Location` may.
    pub(super) async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: Vec<u8>) -> Answer {
        let url = if path.starts_with("https:") { path.to_owned() } else { self.url(path) };
        let mut request = self.client.request(method.parse().unwrap(), url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let bodiless = body.is_empty() && !matches!(method, "PUT" | "POST" | "PATCH");
        let request = if bodiless { request } else { request.header("content-length", body.len()).body(body) };
        let answer = request.send().await.unwrap();
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        Answer { status, headers, body: answer.bytes().await.unwrap().to_vec() }
    }

    pub(super) async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], vec![]).await
    }

    /// The address of a new upload.
    pub(super) async fn upload(&self, repository: &str) -> String {
        let answer = self.send("POST", &format!("/v2/{repository}/blobs/uploads/"), &[], vec![]).await;
        assert_eq!(answer.status, 202);
        answer.header("location").to_owned()
    }

    pub(super) async fn blob(&self, repository: &str, bytes: &[u8]) -> Digest {
        let digest = Digest::of(bytes);
        let path = format!("/v2/{repository}/blobs/uploads/?digest={digest}");
        assert_eq!(self.send("POST", &path, &[], bytes.to_vec()).await.status, 201);
        digest
    }

    pub(super) async fn manifest(&self, repository: &str, reference: &str, body: &Value) -> Answer {
        let media_type = body["mediaType"].as_str().unwrap_or(IMAGE).to_owned();
        let path = format!("/v2/{repository}/manifests/{reference}");
        self.send("PUT", &path, &[("content-type", &media_type)], body.to_string().into_bytes()).await
    }

    /// An image of one config under a tag.
    pub(super) async fn image(&self, repository: &str, tag: &str) -> (Value, Digest) {
        let config = self.blob(repository, format!("{{\"of\":\"{tag}\"}}").as_bytes()).await;
        let body = image(&config);
        assert_eq!(self.manifest(repository, tag, &body).await.status, 201);
        let digest = Digest::of(body.to_string().as_bytes());
        (body, digest)
    }
}

pub(super) fn descriptor(media_type: &str, digest: &Digest, size: u64) -> Value {
    json!({ "mediaType": media_type, "digest": digest.to_string(), "size": size })
}

/// A manifest with a config and no layers.
pub(super) fn image(config: &Digest) -> Value {
    let config = descriptor("application/vnd.oci.image.config.v1+json", config, 2);
    json!({ "schemaVersion": 2, "mediaType": IMAGE, "config": config, "layers": [] })
}

pub(super) fn index(manifests: &[&Digest]) -> Value {
    let manifests: Vec<Value> = manifests.iter().map(|digest| descriptor(IMAGE, digest, 2)).collect();
    json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": manifests })
}

pub(super) fn digest_of(body: &Value) -> Digest {
    Digest::of(body.to_string().as_bytes())
}

pub(super) fn sha512(bytes: &[u8]) -> Digest {
    Digest::of_reader(Algorithm::Sha512, bytes).unwrap().0
}
