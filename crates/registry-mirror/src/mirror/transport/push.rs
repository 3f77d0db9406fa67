//! Writing to a registry.

use bytes::Bytes;
use futures_util::Stream;
use reqwest::header::{CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, LOCATION, RANGE};
use reqwest::{Body, StatusCode, Url};

use super::retry::refused;
use super::{Answer, Registry, Scope, Trouble};
use crate::{Digest, RegistryError, Repository};

/// An upload that a registry has opened.
#[derive(Debug, Clone)]
pub(crate) struct Session {
    location: Url,
    /// Bytes that the registry has of it.
    pub(crate) at: u64,
}

impl Registry {
    /// Opens an upload, unless the registry has the blob in repository `from`, from where it is then taken: `None`.
    /// With `from` the same repository this asks whether the blob is there, at no further request.
    pub(crate) async fn begin(
        &self,
        repository: &Repository,
        digest: &Digest,
        from: &Repository,
    ) -> Result<Option<Session>, RegistryError> {
        let url = self.url(repository, &format!("blobs/uploads/?mount={digest}&from={from}"));
        let build = || self.http.post(&url).header(CONTENT_LENGTH, 0);
        let scope = Scope::Mount { to: repository, from };
        let answer = self.small(scope, &build).await?;
        match answer.status {
            StatusCode::CREATED => Ok(None),
            StatusCode::ACCEPTED => Ok(Some(Session { location: self.location(&answer)?, at: 0 })),
            _ => Err(self.refused(&answer)),
        }
    }

    /// Sends what is left of a blob and ends the upload. One request; on trouble the registry may have some of it.
    pub(crate) async fn finish(
        &self,
        repository: &Repository,
        session: &Session,
        digest: &Digest,
        size: u64,
        body: impl Stream<Item = std::io::Result<Bytes>> + Send + 'static,
    ) -> Result<(), Trouble> {
        let mut url = session.location.clone();
        url.query_pairs_mut().append_pair("digest", &digest.to_string());
        let mut request = self
            .http
            .put(url.clone())
            .header(CONTENT_TYPE, "application/octet-stream")
            .header(CONTENT_LENGTH, size - session.at);
        if session.at > 0 {
            request = request.header(CONTENT_RANGE, format!("{}-{}", session.at, size.saturating_sub(1)));
        }
        if self.is_own(&url)
            && let Some((name, value)) = self.auth.header(&self.http, &Scope::Push(repository).text()).await?
        {
            request = request.header(name, value);
        }
        let response = request.body(Body::wrap_stream(body)).send().await.map_err(|e| self.broken(&e))?;
        let unknown = [StatusCode::NOT_FOUND, StatusCode::CONFLICT, StatusCode::RANGE_NOT_SATISFIABLE];
        match response.status() {
            StatusCode::CREATED => Ok(()),
            // What it has of an upload that was taken up again may be another part than we think.
            status if unknown.contains(&status) || (session.at > 0 && status == StatusCode::BAD_REQUEST) => {
                Err(Trouble::Lost(self.refused(&Answer::read(response, &self.name).await?)))
            }
            _ => Err(refused(&self.name, &Answer::read(response, &self.name).await?)),
        }
    }

    /// Whether a repository has a blob. HEAD.
    pub(crate) async fn has_blob(&self, repository: &Repository, digest: &Digest) -> Result<bool, RegistryError> {
        let url = self.url(repository, &format!("blobs/{digest}"));
        let answer = self.small(Scope::Push(repository), &|| self.http.head(&url)).await?;
        Ok(answer.status == StatusCode::OK)
    }

    /// What the registry has of an upload whose request broke, or `None` where it knows it no longer.
    pub(crate) async fn resumed(&self, repository: &Repository, session: &Session) -> Option<Session> {
        if !self.is_own(&session.location) {
            return None;
        }
        let answer = self.small(Scope::Push(repository), &|| self.http.get(session.location.clone())).await.ok()?;
        if answer.status != StatusCode::NO_CONTENT {
            return None;
        }
        let range = answer.headers.get(RANGE)?.to_str().ok()?;
        let last: u64 = range.trim_start_matches("bytes=").strip_prefix("0-")?.parse().ok()?;
        let location = self.location(&answer).unwrap_or_else(|_| session.location.clone());
        // "0-0" is how the reference registry calls both nothing and one byte.
        Some(Session { location, at: if last == 0 { 0 } else { last + 1 } })
    }

    /// Puts a manifest under a tag or its digest.
    pub(crate) async fn put_manifest(
        &self,
        repository: &Repository,
        reference: &str,
        media_type: &str,
        bytes: &Bytes,
    ) -> Result<(), RegistryError> {
        let url = self.url(repository, &format!("manifests/{reference}"));
        let build = || self.http.put(&url).header(CONTENT_TYPE, media_type).body(bytes.clone());
        let answer = self.small(Scope::Push(repository), &build).await?;
        if answer.status.is_success() {
            return Ok(());
        }
        // A request whose answer was lost is made again, and a tag that may not move refuses what it already is.
        match self.manifest_digest(repository, reference).await {
            Ok(Some(there)) if there == Digest::of(bytes) => Ok(()),
            _ => Err(self.refused(&answer)),
        }
    }

    fn location(&self, answer: &Answer) -> Result<Url, RegistryError> {
        let text = answer.headers.get(LOCATION).and_then(|v| v.to_str().ok());
        let url = text.and_then(|text| answer.url.join(text).ok());
        url.ok_or_else(|| self.fail("an upload without a location".into()))
    }

    /// Whether an address is this registry's: others are not shown its tokens.
    fn is_own(&self, url: &Url) -> bool {
        Url::parse(&self.base).is_ok_and(|own| own.origin() == url.origin())
    }
}
