//! The registry's socket, its certificate and its life.

use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum_server::Handle;
use axum_server::tls_rustls::{RustlsConfig, from_tcp_rustls};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use secrecy::{ExposeSecret, SecretString};
use tokio::task::JoinHandle;

use super::access_log::AccessLog;
use crate::{RegistryError, Store};

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
}

/// A registry that is being served.
#[derive(Debug)]
pub struct Serving {
    address: SocketAddr,
    handle: Handle<SocketAddr>,
    task: JoinHandle<std::io::Result<()>>,
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
    let router = super::router(Store::open(&spec.store)?, AccessLog::open(spec.log.as_deref())?);
    let handle = Handle::new();
    let server = from_tcp_rustls(listener, RustlsConfig::from_config(Arc::new(tls))).map_err(bind)?;
    let server = server.handle(handle.clone());
    let task = tokio::spawn(server.serve(router.into_make_service_with_connect_info::<SocketAddr>()));
    Ok(Serving { address, handle, task })
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
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| fail(e.to_string()))?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(|e| fail(e.to_string()))?;
    // One connection per download lets clients use several; HTTP/2 would put them all on one.
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}
