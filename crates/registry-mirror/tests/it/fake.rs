//! A registry without TLS that does what it is told: it asks who is there, is busy, slow, or hangs up.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream;
use registry_mirror::Digest;
use serde_json::json;

/// Bytes that a slow server sends at a time, every ten milliseconds.
const DRIP: usize = 1 << 18;

/// What the server does.
#[derive(Debug, Default)]
pub(crate) struct Manners {
    /// `Basic ...` that it wants to see.
    pub(crate) basic: Option<String>,
    /// Whether it wants a token for the repository.
    pub(crate) bearer: bool,
    /// How many requests it refuses with 429 and `Retry-After: 1`.
    pub(crate) busy: usize,
    /// After so many bytes of a blob it hangs up, once per entry.
    pub(crate) cuts: Vec<usize>,
    /// Whether blobs come slowly behind their first half.
    pub(crate) slow: bool,
}

/// One request: method, path, range, authorization.
pub(crate) type Seen = (String, String, Option<String>, Option<String>);

#[derive(Clone)]
pub(crate) struct Fake {
    pub(crate) host: String,
    content: Arc<HashMap<String, (String, Bytes)>>,
    pub(crate) manners: Arc<Mutex<Manners>>,
    pub(crate) seen: Arc<Mutex<Vec<Seen>>>,
}

const OCI: &str = "application/vnd.oci.image.manifest.v1+json";

impl Fake {
    /// Holds one image, `library/one:1`, with one layer.
    pub(crate) async fn start(layer: Vec<u8>, manners: Manners) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut content = HashMap::new();
        let mut blob = |bytes: Vec<u8>| {
            let digest = Digest::of(&bytes).to_string();
            let described = json!({ "mediaType": "application/x", "digest": digest, "size": bytes.len() });
            content.insert(format!("/v2/library/one/blobs/{digest}"), ("application/x".to_owned(), bytes.into()));
            described
        };
        let (config, layer) = (blob(b"{}".to_vec()), blob(layer));
        let manifest = json!({ "schemaVersion": 2, "mediaType": OCI, "config": config, "layers": [layer] }).to_string();
        for reference in ["1", &Digest::of(manifest.as_bytes()).to_string()] {
            let path = format!("/v2/library/one/manifests/{reference}");
            content.insert(path, (OCI.to_owned(), manifest.clone().into()));
        }
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let fake = Self {
            host: listener.local_addr().unwrap().to_string(),
            content: Arc::new(content),
            manners: Arc::new(Mutex::new(manners)),
            seen: Arc::default(),
        };
        let app = axum::Router::new().fallback(answer).with_state(fake.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        fake
    }

    pub(crate) fn name(&self) -> String {
        format!("http://{}/library/one:1", self.host)
    }

    pub(crate) fn blob_gets(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().iter().filter(|(_, path, ..)| path.contains("/blobs/")).cloned().collect()
    }
}

async fn answer(State(fake): State<Fake>, request: Request) -> Response {
    let text = |name| request.headers().get(name).map(|v| v.to_str().unwrap().to_owned());
    let (range, shown) = (text(header::RANGE), text(header::AUTHORIZATION));
    let (method, uri) = (request.method().to_string(), request.uri().to_string());
    fake.seen.lock().unwrap().push((method, uri.clone(), range.clone(), shown.clone()));
    if let Some(query) = uri.strip_prefix("/token?") {
        let right = query.contains("service=fake") && query.contains("scope=repository%3Alibrary%2Fone%3Apull");
        let token = json!({ "token": if right { "good" } else { "bad" }, "expires_in": 300 });
        return token.to_string().into_response();
    }
    let challenge = {
        let mut manners = fake.manners.lock().unwrap();
        if manners.busy > 0 {
            manners.busy -= 1;
            return (StatusCode::TOO_MANY_REQUESTS, [(header::RETRY_AFTER, "1")]).into_response();
        }
        let bearer = || format!("Bearer realm=\"http://{}/token\",service=\"fake\"", fake.host);
        match &manners.basic {
            Some(wanted) if shown.as_ref() != Some(wanted) => Some("Basic realm=\"fake\"".to_owned()),
            _ if manners.bearer && shown.as_deref() != Some("Bearer good") => Some(bearer()),
            _ => None,
        }
    };
    if let Some(challenge) = challenge {
        return (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, challenge)]).into_response();
    }
    let Some((kind, bytes)) = fake.content.get(&uri) else { return StatusCode::NOT_FOUND.into_response() };
    let from = range.and_then(|r| r.strip_prefix("bytes=")?.strip_suffix('-')?.parse::<usize>().ok());
    let (body, slow) = {
        let mut manners = fake.manners.lock().unwrap();
        let cut = if uri.contains("/blobs/") && bytes.len() > 100 { manners.cuts.pop() } else { None };
        let whole = bytes.slice(from.unwrap_or(0)..);
        (drip(whole.clone(), cut.unwrap_or(usize::MAX).min(whole.len())), manners.slow)
    };
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, kind.parse().unwrap());
    headers.insert(header::CONTENT_LENGTH, (bytes.len() - from.unwrap_or(0)).into());
    headers.insert("docker-content-digest", Digest::of(bytes).to_string().parse().unwrap());
    let range = from.map(|from| format!("bytes {from}-{}/{}", bytes.len() - 1, bytes.len()));
    let status = if range.is_some() { StatusCode::PARTIAL_CONTENT } else { StatusCode::OK };
    range.into_iter().for_each(|r| drop(headers.insert(header::CONTENT_RANGE, r.parse().unwrap())));
    (status, headers, body(slow)).into_response()
}

/// The first `until` bytes of `whole`; when that is not all, the connection breaks behind them.
fn drip(whole: Bytes, until: usize) -> impl FnOnce(bool) -> Body {
    move |slow| {
        Body::from_stream(stream::unfold(0, move |at| {
            let whole = whole.clone();
            async move {
                if at >= until {
                    return (until < whole.len()).then(|| (Err(std::io::Error::other("cut")), usize::MAX));
                }
                if slow && at > whole.len() / 2 {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
                let end = (at + DRIP).min(until);
                Some((Ok(whole.slice(at..end)), end))
            }
        }))
    }
}
