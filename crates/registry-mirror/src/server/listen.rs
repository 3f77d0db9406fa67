//! The registry's socket, its certificate and its life.

use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum_server::Handle;
use axum_server::tls_rustls::RustlsConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use secrecy::{ExposeSecret, SecretString};
use tokio::task::JoinHandle;

use super::State;
use super::access_log::AccessLog;
use super::gate::Gate;
use super::users::Users;
use crate::{GarbageSpec, RegistryError, Store};

const LARGEST_READ: usize = 128 << 10;

/// What to serve, and where.
#[derive(Debug, Clone)]
pub struct ServeSpec {
    /// Address to listen on.
    pub address: IpAddr,
    /// Port to listen on; 0 takes a free one.
    pub port: u16,
    /// The store.
    pub store: PathBuf,
    /// Certificate chain, PEM.
    pub cert_pem: String,
    /// Its private key, PEM.
    pub key_pem: SecretString,
    /// File that gets one JSON line per request, if any.
    pub log: Option<PathBuf>,
    /// Whether pushes and deletions are refused.
    pub read_only: bool,
    /// Who may use it: a file of `user:hash` lines with bcrypt hashes, as `htpasswd -B` writes it. Without one, everybody.
    pub htpasswd: Option<PathBuf>,
    /// How often garbage is collected while serving, and what that is.
    pub garbage: Option<(Duration, GarbageSpec)>,
    /// What one client may take.
    pub limits: Limits,
}

/// What one client may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Connections at a time; those beyond are closed at once.
    pub connections: usize,
    /// Time for a request's headers, also for the next one of an idle connection, and for the TLS handshake.
    pub headers: Duration,
    /// Time in which a KiB of a body must come, and something of an answer must be taken.
    pub idle: Duration,
}

impl Default for Limits {
    /// 1024 connections, a minute for headers, a minute for a piece of a body.
    fn default() -> Self {
        let minute = Duration::from_secs(60);
        Self { connections: 1024, headers: minute, idle: minute }
    }
}

impl ServeSpec {
    /// A store that everybody may read and write, without a log.
    pub fn new(address: SocketAddr, store: impl Into<PathBuf>, cert_pem: String, key_pem: SecretString) -> Self {
        Self {
            address: address.ip(),
            port: address.port(),
            store: store.into(),
            cert_pem,
            key_pem,
            log: None,
            read_only: false,
            htpasswd: None,
            garbage: None,
            limits: Limits::default(),
        }
    }
}

/// A registry that is being served.
#[derive(Debug)]
pub struct Serving {
    address: SocketAddr,
    handle: Handle<SocketAddr>,
    task: JoinHandle<std::io::Result<()>>,
    collector: Option<JoinHandle<()>>,
}

/// Serves a store over TLS. The port is taken first: when that fails, nothing has happened.
///
/// Must be called inside a tokio runtime.
///
/// # Errors
/// [`RegistryError::PortTaken`] or [`RegistryError::Bind`]; [`RegistryError::Certificate`] for a certificate or key
/// that cannot be used; [`RegistryError::File`] for the store or the log.
pub fn serve(spec: &ServeSpec) -> Result<Serving, RegistryError> {
    let listener = listen(spec.address, spec.port)?;
    let bind = |source| RegistryError::Bind { address: spec.address.to_string(), port: spec.port, source };
    let address = listener.local_addr().map_err(bind)?;
    let tls = tls(&spec.cert_pem, &spec.key_pem)?;
    let users = spec.htpasswd.as_deref().map(Users::read).transpose()?;
    let log = AccessLog::open(spec.log.as_deref())?;
    let state = Arc::new(State::new(Store::open(&spec.store)?, spec, log, users));
    let handle = Handle::new();
    let gate = Gate::new(RustlsConfig::from_config(Arc::new(tls)), spec.limits, state.metrics.clone());
    let mut server = axum_server::from_tcp(listener).map_err(bind)?.acceptor(gate).http1_only();
    let mut http = server.http_builder().http1();
    // The buffer also bounds what a body that arrives faster than the disk writes can pile up.
    let _ = http.header_read_timeout(spec.limits.headers).max_buf_size(LARGEST_READ);
    let server = server.first_request_timeout(spec.limits.headers).handle(handle.clone());
    let collector = spec.garbage.map(|(every, garbage)| tokio::spawn(collect(state.clone(), every, garbage)));
    let task = tokio::spawn(server.serve(super::router(state).into_make_service_with_connect_info::<SocketAddr>()));
    Ok(Serving { address, handle, task, collector })
}

/// Collects garbage again and again.
async fn collect(state: Arc<State>, every: Duration, garbage: GarbageSpec) {
    loop {
        tokio::time::sleep(every).await;
        let store = state.store.clone();
        match tokio::task::spawn_blocking(move || store.collect_garbage(&garbage)).await {
            Ok(Ok(collected)) => state.metrics.collected(&collected),
            Ok(Err(error)) => tracing::error!(%error, "garbage"),
            Err(error) => tracing::error!(%error, "garbage"),
        }
    }
}

impl Serving {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `stop` resolves, then lets requests under way end for at most `grace`.
    ///
    /// # Errors
    /// [`RegistryError::Bind`] when the socket itself fails.
    pub async fn until(mut self, stop: impl Future<Output = ()>, grace: Duration) -> Result<(), RegistryError> {
        let ended = tokio::select! {
            ended = &mut self.task => ended,
            () = stop => {
                self.handle.graceful_shutdown(Some(grace));
                self.task.await
            }
        };
        if let Some(collector) = self.collector {
            collector.abort();
        }
        let (address, port) = (self.address.ip().to_string(), self.address.port());
        ended.map_err(std::io::Error::other).and_then(|r| r).map_err(|source| RegistryError::Bind {
            address,
            port,
            source,
        })
    }
}

/// Resolves when the process is asked to end: Ctrl-C, and SIGTERM where there is such a thing.
pub async fn shutdown_signal() {
    let interrupt = async {
        // Without a handler the process ends by itself, which is as good.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    #[cfg(unix)]
    let terminate = async {
        match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(mut signal) => drop(signal.recv().await),
            Err(_) => std::future::pending().await,
        }
    };
    #[cfg(not(unix))]
    let terminate = std::future::pending::<()>();
    tokio::select! {
        () = interrupt => {}
        () = terminate => {}
    }
}

fn listen(ip: IpAddr, port: u16) -> Result<TcpListener, RegistryError> {
    let address = ip.to_string();
    let listener = TcpListener::bind((ip, port)).and_then(|l| l.set_nonblocking(true).map(|()| l));
    listener.map_err(|source| match source.kind() {
        ErrorKind::AddrInUse => RegistryError::PortTaken { address, port },
        _ => RegistryError::Bind { address, port, source },
    })
}

fn tls(cert_pem: &str, key_pem: &SecretString) -> Result<rustls::ServerConfig, RegistryError> {
    let fail = |why: String| RegistryError::Certificate { why };
    let chain: Vec<_> = CertificateDer::pem_slice_iter(cert_pem.as_bytes())
        .collect::<Result<_, _>>()
        .map_err(|e| fail(e.to_string()))?;
    let key = PrivateKeyDer::from_pem_slice(key_pem.expose_secret().as_bytes()).map_err(|e| fail(e.to_string()))?;
    let mut provider = rustls::crypto::ring::default_provider();
    // AES-128 costs a quarter less than AES-256 for every byte of a layer, and is as far out of reach.
    provider.cipher_suites.sort_by_key(|suite| !format!("{:?}", suite.suite()).contains("AES_128"));
    let provider = Arc::new(provider);
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| fail(e.to_string()))?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(|e| fail(e.to_string()))?;
    config.ignore_client_order = true;
    // One connection per download lets clients use several; HTTP/2 would put them all on one.
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}
