//! A server over TLS that has one answer to everything.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex, PoisonError};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// Listens on a port of its own at 127.0.0.1 for as long as the test's process lives, answers every request at once
/// and ends the connection. Keeps what it was asked.
pub struct TlsServer {
    address: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl TlsServer {
    /// With this certificate chain and its key, both PEM; `answer` makes the whole answer to a request's head.
    ///
    /// # Panics
    /// When the certificate or the key is none, or no port is free.
    pub fn new(cert_pem: &str, key_pem: &str, answer: impl Fn(&str) -> String + Send + Sync + 'static) -> Self {
        let config = Arc::new(config(cert_pem, key_pem));
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (kept, answer) = (asked.clone(), Arc::new(answer));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (config, kept, answer) = (config.clone(), kept.clone(), answer.clone());
                std::thread::spawn(move || {
                    let mut tls = StreamOwned::new(ServerConnection::new(config).expect("a connection"), stream);
                    let mut request = [0; 4096];
                    // a client that does not trust the certificate asks nothing
                    if let Ok(read @ 1..) = tls.read(&mut request) {
                        let request = String::from_utf8_lossy(&request[..read]).into_owned();
                        let answer = answer(&request);
                        kept.lock().unwrap_or_else(PoisonError::into_inner).push(request);
                        let _ = tls.write_all(answer.as_bytes());
                        tls.conn.send_close_notify();
                        let _ = tls.flush();
                    }
                });
            }
        });
        Self { address, asked }
    }

    /// Where it listens, `127.0.0.1:PORT`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The heads of the requests so far, oldest first.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn config(cert_pem: &str, key_pem: &str) -> ServerConfig {
    let chain = CertificateDer::pem_slice_iter(cert_pem.as_bytes()).collect::<Result<_, _>>().expect("a certificate");
    let key = PrivateKeyDer::from_pem_slice(key_pem.as_bytes()).expect("a key");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    config.expect("versions").with_no_client_auth().with_single_cert(chain, key).expect("the certificate's own key")
}
