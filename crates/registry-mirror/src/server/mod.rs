//! The store as an OCI registry (OCI distribution specification 1.1) over TLS.

mod access_log;
mod answer;
mod arrival;
mod gate;
mod listen;
mod listing;
mod manifests;
mod metrics;
mod pieces;
mod pull;
mod push;
mod query;
mod range;
mod route;
mod users;

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use axum::body::{Body, HttpBody};
use axum::extract::{ConnectInfo, Request};
use axum::http::{HeaderMap, HeaderName, Method, StatusCode, header};
use axum::response::Response;
pub use listen::{Limits, ServeSpec, Serving, serve, shutdown_signal};

use self::access_log::AccessLog;
use self::answer::{Refusal, answer, json_answer, set, text_answer};
use self::manifests::Manifests;
use self::metrics::Metrics;
use self::pieces::Pool;
use self::query::Query;
use self::route::{Reference, Route};
use self::users::Users;
use crate::{RegistryError, Store};

const API_VERSION: HeaderName = HeaderName::from_static("docker-distribution-api-version");

/// What requests share.
struct State {
    store: Store,
    log: AccessLog,
    metrics: Arc<Metrics>,
    manifests: Manifests,
    pool: Pool,
    users: Option<Users>,
    read_only: bool,
    limits: Limits,
    /// Uploads that a request works on.
    busy: Mutex<HashSet<String>>,
}

impl State {
    fn new(store: Store, spec: &ServeSpec, log: AccessLog, users: Option<Users>) -> Self {
        Self {
            store,
            log,
            metrics: Arc::default(),
            manifests: Manifests::default(),
            pool: Pool::default(),
            users,
            read_only: spec.read_only,
            limits: spec.limits,
            busy: Mutex::default(),
        }
    }
}

fn router(state: Arc<State>) -> axum::Router {
    axum::Router::new().fallback(move |ConnectInfo(remote): ConnectInfo<SocketAddr>, request: Request| {
        let state = state.clone();
        async move { respond(&state, remote, request).await }
    })
}

async fn respond(state: &Arc<State>, remote: SocketAddr, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let (log, metrics) = (state.log.clone(), state.metrics.clone());
    let mut logged = access_log::Request::new(log, metrics, remote, parts.method.clone(), parts.uri.clone());
    let query = Query::parse(parts.uri.query());
    let answered = match Route::parse(parts.uri.path()) {
        Ok(route) => {
            logged.is_for(route.kind());
            dispatch(state, &parts.method, route, &query, &parts.headers, body).await
        }
        Err(why) => Err(why.into()),
    };
    let mut response = answered.unwrap_or_else(Response::from);
    set(&mut response, API_VERSION, "registry/2.0");
    // The guests set their clocks by this header: it is made for every answer, not once a second.
    set(&mut response, header::DATE, &httpdate::fmt_http_date(SystemTime::now()));
    let status = response.status();
    let (mut parts_out, body) = response.into_parts();
    // A body that is read piece by piece does not know its length.
    let bodiless = status == StatusCode::NO_CONTENT || status == StatusCode::NOT_MODIFIED;
    if let Some(length) = body.size_hint().exact().filter(|_| !bodiless) {
        parts_out.headers.entry(header::CONTENT_LENGTH).or_insert(length.into());
    }
    let body = if parts.method == Method::HEAD { Body::empty() } else { body };
    Response::from_parts(parts_out, logged.count(status, body))
}

async fn dispatch(
    state: &Arc<State>,
    method: &Method,
    route: Route,
    query: &Query,
    headers: &HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    if let Some(users) = state.users.as_ref().filter(|_| route != Route::Health) {
        users.check(headers).await?;
    }
    if state.read_only && !matches!(*method, Method::GET | Method::HEAD) {
        return Err(Refusal::method());
    }
    // HEAD is GET; the caller drops the body.
    let verb = if method == Method::HEAD { "GET" } else { method.as_str() };
    match (verb, route) {
        ("GET", Route::Health) => Ok(answer(StatusCode::OK, Body::from("ok\n"))),
        ("GET", Route::Metrics) => Ok(text_answer(state.metrics.render())),
        ("GET", Route::Base) => Ok(json_answer(&serde_json::json!({}), "application/json")),
        ("GET", Route::Catalog) => listing::catalog(state, query).await,
        ("GET", Route::Tags(name)) => listing::tags(state, name, query).await,
        ("GET", Route::Referrers(name, subject)) => listing::referrers(state, name, subject, query).await,
        ("GET", Route::Manifest(name, reference)) => pull::manifest(state, method, name, reference, headers).await,
        ("PUT", Route::Manifest(name, reference)) => push::manifest(state, name, reference, headers, body).await,
        ("DELETE", Route::Manifest(name, reference)) => {
            let gone = blocking(state, move |store| match &reference {
                _ if !store.has_repository(&name) => Ok(None),
                Reference::Tag(tag) => store.delete_tag(&name, tag).map(Some),
                Reference::Digest(digest) => store.delete_manifest(&name, digest).map(Some),
            });
            deleted(gone.await?.ok_or_else(Refusal::unknown_name)?, Refusal::unknown_manifest)
        }
        ("GET", Route::Blob(name, digest)) => pull::blob(state, method, name, digest, headers).await,
        ("DELETE", Route::Blob(name, digest)) => {
            deleted(blocking(state, move |s| s.unlink_blob(&name, &digest)).await?, Refusal::unknown_blob)
        }
        ("POST", Route::Uploads(name)) => push::start(state, name, query, body).await,
        ("PATCH", Route::Upload(name, id)) => push::append(state, name, id, headers, body).await,
        ("PUT", Route::Upload(name, id)) => push::complete(state, name, id, query, headers, body).await,
        ("GET", Route::Upload(name, id)) => push::status(state, name, id).await,
        ("DELETE", Route::Upload(name, id)) => push::cancel(state, name, id).await,
        _ => Err(Refusal::method()),
    }
}

fn deleted(was_there: bool, otherwise: fn() -> Refusal) -> Result<Response, Refusal> {
    if was_there { Ok(answer(StatusCode::ACCEPTED, Body::empty())) } else { Err(otherwise()) }
}

/// Runs store work on the blocking threads.
async fn blocking<T: Send + 'static>(
    state: &Arc<State>,
    work: impl FnOnce(&Store) -> Result<T, RegistryError> + Send + 'static,
) -> Result<T, Refusal> {
    let store = state.store.clone();
    Ok(tokio::task::spawn_blocking(move || work(&store)).await??)
}

/// The claim of one request on an upload.
struct Busy {
    state: Arc<State>,
    id: String,
}

impl Busy {
    fn claim(state: &Arc<State>, id: &str) -> Option<Self> {
        let new = state.busy.lock().unwrap_or_else(PoisonError::into_inner).insert(id.to_owned());
        new.then(|| Self { state: state.clone(), id: id.to_owned() })
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.state.busy.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.id);
    }
}
