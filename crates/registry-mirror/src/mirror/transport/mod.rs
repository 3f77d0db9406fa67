//! Registries over HTTP: the few requests of the distribution specification that a mirror needs.
//!
//! Over reqwest, not over `oci_client::Client`, looked at in its version 0.18. That asks `/v2/` before every anonymous
//! request: 782 requests for the set that takes 365 here (`tests/it/oci_client.rs` counts them). It keeps an answer's
//! headers to itself, so that neither `Retry-After` nor the range of an upload can be honoured, and takes a mount's
//! 202, which opens an upload, for an error. As a part of this it would be a second one beside it for the same
//! registry, with connections and tokens of its own; as a client that shares nothing with us it is in the tests.

mod auth;
mod challenge;
mod credentials;
mod pull;
mod push;
mod retry;

use std::net::IpAddr;
use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderValue};
use reqwest::{Certificate, Client, RequestBuilder, Response, StatusCode, Url};
use steps::innermost;
use tokio::sync::{Semaphore, SemaphorePermit};

use self::auth::Auth;
pub(crate) use self::credentials::Login;
pub use self::credentials::{BasicLogin, Credentials};
pub(crate) use self::pull::Blob;
pub(crate) use self::push::Session;
use self::retry::refused;
pub(crate) use self::retry::{Retry, Trouble};
use crate::store::{DOCKER_LIST, DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST};
use crate::{RegistryError, Repository};

/// Manifests and other documents are small; whatever is larger is none.
const LARGEST_DOCUMENT: usize = 4 << 20;
const CONNECT: Duration = Duration::from_secs(15);
/// Silence after which a request counts as broken.
const STALLED: Duration = Duration::from_secs(60);
/// Small requests of one registry under way at a time, for each blob that may be.
const SMALL_PER_BLOB: usize = 2;

/// How registries are talked to.
#[derive(Debug, Clone)]
pub(crate) struct Manner {
    pub(crate) ca_pem: Option<String>,
    pub(crate) retry: Retry,
    /// Blobs of one registry under way at a time.
    pub(crate) parallel: usize,
}

/// One registry.
pub(crate) struct Registry {
    name: String,
    base: String,
    http: Client,
    auth: Auth,
    small: Semaphore,
    blobs: Semaphore,
    pub(crate) retry: Retry,
}

/// What a request wants to do, for tokens.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Scope<'a> {
    Pull(&'a Repository),
    Push(&'a Repository),
    Mount { to: &'a Repository, from: &'a Repository },
}

impl Scope<'_> {
    fn text(self) -> String {
        match self {
            Self::Pull(name) => format!("repository:{name}:pull"),
            Self::Push(name) => format!("repository:{name}:pull,push"),
            Self::Mount { to, from } if to == from => format!("repository:{to}:pull,push"),
            Self::Mount { to, from } => format!("repository:{to}:pull,push repository:{from}:pull"),
        }
    }
}

impl Registry {
    /// The registry `host`, over plain HTTP where `plain` says so, by way of a [`client`].
    pub(crate) fn new(host: &str, plain: bool, http: Client, manner: &Manner, login: Option<Login>) -> Self {
        let address = if host == "docker.io" { "registry-1.docker.io" } else { host };
        Self {
            name: host.to_owned(),
            base: format!("{}://{address}", if plain { "http" } else { "https" }),
            http,
            auth: Auth::new(host, login),
            small: Semaphore::new(manner.parallel * SMALL_PER_BLOB),
            blobs: Semaphore::new(manner.parallel),
            retry: manner.retry,
        }
    }

    /// Its name, as images have it.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Leave to move one more blob.
    pub(crate) async fn blob_permit(&self) -> Result<SemaphorePermit<'_>, RegistryError> {
        self.blobs.acquire().await.map_err(|e| self.fail(e.to_string()))
    }

    fn fail(&self, why: String) -> RegistryError {
        RegistryError::Remote { registry: self.name.clone(), why }
    }

    fn broken(&self, error: &reqwest::Error) -> Trouble {
        let why = self.fail(innermost(error));
        // A certificate that is not trusted stays so.
        let text = innermost(error);
        if text.contains("certificate") || error.is_builder() {
            Trouble::Lasting(why)
        } else {
            Trouble::Passing(why, None)
        }
    }

    fn url(&self, repository: &Repository, rest: &str) -> String {
        format!("{}/v2/{repository}/{rest}", self.base)
    }

    /// One request with whatever the registry wants to be shown; a 401 is answered once, and once more for a token that
    /// was too old.
    async fn once(&self, scope: Scope<'_>, build: &(dyn Fn() -> RequestBuilder + Sync)) -> Result<Response, Trouble> {
        let scope = scope.text();
        let mut answers = 0;
        loop {
            let mut request = build();
            let mut shown = None;
            if let Some((name, value)) = self.auth.header(&self.http, &scope).await? {
                request = request.header(name, value.clone());
                shown = Some(value);
            }
            let response = request.send().await.map_err(|e| self.broken(&e))?;
            let asked = response.status() == StatusCode::UNAUTHORIZED && answers < 2;
            if !asked || !self.auth.asked(response.headers(), &scope, shown.as_ref()).await {
                return Ok(response);
            }
            answers += 1;
        }
    }

    /// A small request and its whole answer, again while its trouble passes.
    async fn small(
        &self,
        scope: Scope<'_>,
        build: &(dyn Fn() -> RequestBuilder + Sync),
    ) -> Result<Answer, RegistryError> {
        let mut failures = 0;
        loop {
            match self.try_small(scope, build).await {
                Ok(answer) => return Ok(answer),
                Err(trouble) => self.retry.wait(trouble, &mut failures).await?,
            }
        }
    }

    async fn try_small(
        &self,
        scope: Scope<'_>,
        build: &(dyn Fn() -> RequestBuilder + Sync),
    ) -> Result<Answer, Trouble> {
        let _permit = self.small.acquire().await.map_err(|e| self.fail(e.to_string()))?;
        let answer = Answer::read(self.once(scope, build).await?, &self.name).await?;
        if retry::passing(answer.status) { Err(refused(&self.name, &answer)) } else { Ok(answer) }
    }

    /// An answer that is not the one hoped for, as an error.
    fn refused(&self, answer: &Answer) -> RegistryError {
        refused(&self.name, answer).error()
    }
}

/// A whole answer whose body is a document.
pub(crate) struct Answer {
    url: Url,
    status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Answer {
    async fn read(mut response: Response, registry: &str) -> Result<Self, Trouble> {
        let fail = |why: String| RegistryError::Remote { registry: registry.to_owned(), why };
        let (url, status, headers) = (response.url().clone(), response.status(), response.headers().clone());
        let mut body = Vec::new();
        loop {
            match response.chunk().await {
                Ok(Some(chunk)) if body.len() + chunk.len() <= LARGEST_DOCUMENT => body.extend_from_slice(&chunk),
                Ok(Some(_)) => return Err(fail(format!("its answer is larger than {LARGEST_DOCUMENT} bytes")).into()),
                Ok(None) => return Ok(Self { url, status, headers, body }),
                Err(error) => return Err(Trouble::Passing(fail(innermost(&error)), None)),
            }
        }
    }
}

/// A client for registries with or without TLS, near ones or others. With a CA, trusts that one and no other. The
/// system's authorities take ten megabytes: registries share a client, and one without TLS has none.
pub(crate) fn client(plain: bool, near: bool, ca_pem: Option<&str>) -> Result<Client, String> {
    let mut http = Client::builder()
        .user_agent(concat!("airlab-registry-mirror/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT)
        .read_timeout(STALLED)
        .https_only(!plain)
        .http1_only()
        .referer(false);
    let ca = ca_pem.map(|pem| Certificate::from_pem(pem.as_bytes())).transpose().map_err(|e| innermost(&e))?;
    if plain || ca.is_some() {
        http = http.tls_certs_only(ca);
    }
    if near {
        http = http.no_proxy();
    }
    http.build().map_err(|e| innermost(&e))
}

/// Media types of manifests that can be kept.
fn accepted() -> HeaderValue {
    static ALL: std::sync::LazyLock<HeaderValue> = std::sync::LazyLock::new(|| {
        let all = [OCI_MANIFEST, OCI_INDEX, DOCKER_MANIFEST, DOCKER_LIST].join(", ");
        HeaderValue::from_str(&all).unwrap_or(HeaderValue::from_static("*/*"))
    });
    ALL.clone()
}

/// Addresses that no proxy should be asked for: this computer and private networks.
pub(crate) fn is_near(host: &str) -> bool {
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name).trim_matches(['[', ']']);
    match name.parse::<IpAddr>() {
        Ok(IpAddr::V4(ip)) => ip.is_loopback() || ip.is_private() || ip.is_link_local(),
        Ok(IpAddr::V6(ip)) => ip.is_loopback() || ip.is_unique_local(),
        Err(_) => name == "localhost",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_addresses_need_no_proxy() {
        for near in ["127.0.0.1:5000", "192.168.6.1:5000", "localhost:80", "[::1]:5000", "10.0.0.1"] {
            assert!(is_near(near), "{near}");
        }
        assert!(!is_near("docker.io") && !is_near("quay.io:443") && !is_near("8.8.8.8"));
    }

    #[test]
    fn a_mount_asks_for_both_repositories() {
        let (a, b) = ("a/a".parse().unwrap(), "b/b".parse().unwrap());
        assert_eq!(Scope::Mount { to: &a, from: &b }.text(), "repository:a/a:pull,push repository:b/b:pull");
        assert_eq!(Scope::Mount { to: &a, from: &a }.text(), Scope::Push(&a).text());
    }
}
