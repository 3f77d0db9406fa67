//! Reading from a registry.

use reqwest::header::{ACCEPT, CONTENT_RANGE, CONTENT_TYPE, RANGE};
use reqwest::{Response, StatusCode};
use steps::innermost;

use super::retry::refused;
use super::{Answer, Registry, Scope, Trouble, accepted};
use crate::{Digest, RegistryError, Repository};

/// A blob that arrives.
pub(crate) struct Blob {
    response: Response,
    registry: String,
    /// Where in the blob its first byte belongs.
    pub(crate) at: u64,
}

impl Registry {
    /// The digest of a manifest, or `None` where there is none. HEAD.
    pub(crate) async fn manifest_digest(
        &self,
        repository: &Repository,
        reference: &str,
    ) -> Result<Option<Digest>, RegistryError> {
        let url = self.url(repository, &format!("manifests/{reference}"));
        let build = || self.http.head(&url).header(ACCEPT, accepted());
        let answer = self.small(Scope::Pull(repository), &build).await?;
        match answer.status {
            StatusCode::NOT_FOUND => return Ok(None),
            status if status.is_success() => {}
            _ => return Err(self.refused(&answer)),
        }
        let said = answer.headers.get("docker-content-digest").and_then(|v| v.to_str().ok()?.parse().ok());
        match said {
            Some(digest) => Ok(Some(digest)),
            // An old registry that does not say: the bytes do.
            None => Ok(self.manifest(repository, reference).await?.map(|(_, bytes)| Digest::of(&bytes))),
        }
    }

    /// A manifest's media type and bytes, or `None` where there is none. The caller checks the digest.
    pub(crate) async fn manifest(
        &self,
        repository: &Repository,
        reference: &str,
    ) -> Result<Option<(String, Vec<u8>)>, RegistryError> {
        let url = self.url(repository, &format!("manifests/{reference}"));
        let build = || self.http.get(&url).header(ACCEPT, accepted());
        let answer = self.small(Scope::Pull(repository), &build).await?;
        match answer.status {
            StatusCode::NOT_FOUND => Ok(None),
            StatusCode::OK => {
                let kind = answer.headers.get(CONTENT_TYPE).and_then(|v| v.to_str().ok());
                let kind = kind.map(|k| k.split(';').next().unwrap_or(k).trim().to_owned()).unwrap_or_default();
                Ok(Some((kind, answer.body)))
            }
            _ => Err(self.refused(&answer)),
        }
    }

    /// A blob from byte `at` on, as far as the registry gives it: look at [`Blob::at`].
    pub(crate) async fn blob(&self, repository: &Repository, digest: &Digest, at: u64) -> Result<Blob, Trouble> {
        let url = self.url(repository, &format!("blobs/{digest}"));
        let build = || {
            let request = self.http.get(&url);
            if at > 0 { request.header(RANGE, format!("bytes={at}-")) } else { request }
        };
        let response = self.once(Scope::Pull(repository), &build).await?;
        let range = response.headers().get(CONTENT_RANGE).and_then(|v| v.to_str().ok());
        let at = match response.status() {
            StatusCode::OK => 0,
            StatusCode::PARTIAL_CONTENT if range.is_some_and(|r| r.starts_with(&format!("bytes {at}-"))) => at,
            StatusCode::NOT_FOUND => {
                let (reference, origin) = (format!("{repository}@{digest}"), self.name.clone());
                return Err(RegistryError::ImageNotThere { reference, origin }.into());
            }
            _ => return Err(refused(&self.name, &Answer::read(response, &self.name).await?)),
        };
        Ok(Blob { response, registry: self.name.clone(), at })
    }
}

impl Blob {
    /// The next bytes, or `None` at the end of what the registry sends.
    pub(crate) async fn next(&mut self) -> Result<Option<bytes::Bytes>, Trouble> {
        self.response.chunk().await.map_err(|error| {
            let (registry, why) = (self.registry.clone(), innermost(&error));
            Trouble::Passing(RegistryError::Remote { registry, why }, None)
        })
    }
}
