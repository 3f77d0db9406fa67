//! The client: where the API is, who is asking, and how long a call may take.

use std::future::Future;
use std::time::{Duration, Instant, SystemTime};

use base64::Engine;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use secrecy::{ExposeSecret, SecretString};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::ApiError;
use crate::diagnose::Call;

/// A call without an answer after this long is given up.
const CALL: Duration = Duration::from_secs(30);
/// Pause before a call is made again.
const AGAIN: Duration = Duration::from_millis(500);

/// One cluster's API as one person.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// # let _ = rustls::crypto::ring::default_provider().install_default();
/// let kubeconfig = r#"{"current-context": "lab",
///     "clusters": [{"name": "lab", "cluster": {"server": "https://192.168.6.10:6443"}}],
///     "users": [{"name": "lab", "user": {"token": "..."}}],
///     "contexts": [{"name": "lab", "context": {"cluster": "lab", "user": "lab"}}]}"#;
/// let api = kubeapi::Api::new(&kubeconfig.into()).await?;
/// assert_eq!(api.url(), "https://192.168.6.10:6443/");
/// # Ok::<(), kubeapi::ApiError>(()) }).unwrap();
/// ```
#[derive(Clone)]
pub struct Api {
    pub(crate) client: Client,
    url: String,
    until: Option<OffsetDateTime>,
    call: Duration,
    patience: Duration,
}

impl std::fmt::Debug for Api {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Api({})", self.url)
    }
}

impl Api {
    /// A client from the text of a kubeconfig and its current context. Nothing is asked yet.
    pub async fn new(kubeconfig: &SecretString) -> Result<Self, ApiError> {
        let bad = |source: Box<dyn std::error::Error + Send + Sync>| ApiError::Kubeconfig { source };
        let parsed = Kubeconfig::from_yaml(kubeconfig.expose_secret()).map_err(|e| bad(Box::new(e)))?;
        let options = KubeConfigOptions::default();
        let mut config = Config::from_custom_kubeconfig(parsed, &options).await.map_err(|e| bad(Box::new(e)))?;
        config.proxy_url = None;
        config.connect_timeout = Some(Duration::from_secs(10));
        // a watch is silent for as long as nothing happens; its own end is asked of the server
        config.read_timeout = Some(Duration::from_secs(120));
        let url = config.cluster_url.to_string();
        let until = config.auth_info.client_certificate_data.as_deref().and_then(end_of);
        let client = Client::try_from(config).map_err(|e| bad(Box::new(e)))?;
        Ok(Self { client, url, until, call: CALL, patience: CALL })
    }

    /// The same client with other bounds: how long one call may take, and for how long an API that does not answer as it
    /// should is asked again.
    pub fn bounds(mut self, call: Duration, patience: Duration) -> Self {
        self.call = call;
        self.patience = patience;
        self
    }

    /// Where it is.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The client itself, for callers with typed wishes.
    pub fn client(&self) -> Client {
        self.client.clone()
    }

    /// When the client's certificate ends, where it has one.
    pub fn client_certificate_ends(&self) -> Option<SystemTime> {
        self.until.map(SystemTime::from)
    }

    /// Version of the API server, `v1.33.4+k3s1`.
    pub async fn version(&self) -> Result<String, ApiError> {
        Ok(self.again("GET /version", || self.client.apiserver_version()).await?.git_version)
    }

    /// The text of any path, such as `/readyz` or a service behind the API's proxy.
    pub async fn text(&self, path: &str) -> Result<String, ApiError> {
        self.once(&format!("GET {path}"), async {
            let request = http::Request::get(path).body(Vec::new()).map_err(kube::Error::HttpError)?;
            self.client.request_text(request).await
        })
        .await
    }

    /// Posts to any path, such as a service behind the API's proxy; gives back the text of the answer. Never asked twice.
    pub async fn post(&self, path: &str, content_type: &str, body: Vec<u8>) -> Result<String, ApiError> {
        self.once(&format!("POST {path}"), async {
            let request = http::Request::post(path).header(http::header::CONTENT_TYPE, content_type);
            self.client.request_text(request.body(body).map_err(kube::Error::HttpError)?).await
        })
        .await
    }

    /// What went wrong, by what is known of this client.
    pub(crate) fn failed(&self, doing: &str, error: kube::Error) -> ApiError {
        let past = self.until.filter(|until| *until < OffsetDateTime::now_utc());
        let client_expired = past.and_then(|until| until.format(&Rfc3339).ok());
        Call { url: &self.url, doing, client_expired }.diagnose(error)
    }

    /// One call, bounded.
    pub(crate) async fn once<T>(
        &self,
        doing: &str,
        call: impl Future<Output = Result<T, kube::Error>>,
    ) -> Result<T, ApiError> {
        match tokio::time::timeout(self.call, call).await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => Err(self.failed(doing, error)),
            Err(_) => {
                let last = format!("nothing within {} s", self.call.as_secs_f32());
                Err(ApiError::Silent { url: self.url.clone(), doing: doing.to_owned(), last })
            }
        }
    }

    /// A call that may be made twice: again and again while the API cannot answer, as long as patience lasts.
    pub(crate) async fn again<T, F, Fut>(&self, doing: &str, mut call: F) -> Result<T, ApiError>
    where
        F: FnMut() -> Fut,
        Fut: Future<Output = Result<T, kube::Error>>,
    {
        let start = Instant::now();
        loop {
            match self.once(doing, call()).await {
                Err(error) if error.is_passing() && start.elapsed() + AGAIN < self.patience => {
                    tokio::time::sleep(AGAIN).await;
                }
                ended => return ended,
            }
        }
    }
}

/// The end of a certificate in the form kubeconfigs have it: base64 of PEM.
fn end_of(data: &str) -> Option<OffsetDateTime> {
    let text = base64::engine::general_purpose::STANDARD.decode(data).ok()?;
    let certificate = pem::parse(text).ok()?;
    let (_, certificate) = x509_parser::parse_x509_certificate(certificate.contents()).ok()?;
    OffsetDateTime::from_unix_timestamp(certificate.validity().not_after.timestamp()).ok()
}
