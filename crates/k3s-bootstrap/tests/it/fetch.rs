//! The node's own download, `guest/airlab-fetch`, with real curl and servers over TLS.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use machine::{Cmd, Local, Output};
use pki::{Authority, AuthoritySpec};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use secrecy::ExposeSecret;

/// SHA-256 of [`BLOB`].
const SUM: &str = "cac8f874d7176d6f1a06b955e0b280a51181085454de77c56b2e349b3fc15b9b";
const BLOB: &str = "a program for the node\n";

/// Answers every request with one text and keeps what it was asked.
struct Server {
    address: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Server {
    fn new(authority: &Authority, dir: &Path, answer: impl Fn(&str) -> String + Send + 'static) -> Self {
        let leaf = authority.ensure_server(dir, "server", &["127.0.0.1".into()], SystemTime::now()).unwrap();
        let chain = CertificateDer::pem_slice_iter(leaf.cert_pem().as_bytes()).map(Result::unwrap).collect();
        let key = PrivateKeyDer::from_pem_slice(leaf.key_pem().expose_secret().as_bytes()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let config = Arc::new(config.unwrap().with_no_client_auth().with_single_cert(chain, key).unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let kept = asked.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let connection = rustls::ServerConnection::new(config.clone()).unwrap();
                let mut tls = rustls::StreamOwned::new(connection, stream.unwrap());
                let mut request = [0; 4096];
                if let Ok(read @ 1..) = tls.read(&mut request) {
                    let request = String::from_utf8_lossy(&request[..read]).into_owned();
                    let _ = tls.write_all(answer(&request).as_bytes());
                    kept.lock().unwrap().push(request);
                    tls.conn.send_close_notify();
                    let _ = tls.flush();
                }
            }
        });
        Self { address, asked }
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

struct World {
    dir: tempfile::TempDir,
    authority: Authority,
}

impl World {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let networks = vec![("127.0.0.0".parse().unwrap(), 8)];
        let spec = AuthoritySpec { name: "test".into(), networks, domains: vec![] };
        let authority = Authority::ensure(&dir.path().join("ca"), &spec, SystemTime::now()).unwrap();
        std::fs::write(dir.path().join("ca.pem"), authority.cert_pem()).unwrap();
        Self { dir, authority }
    }

    /// A registry that wants a login, and sends whoever has it to `elsewhere`.
    fn registry(&self, elsewhere: String) -> Server {
        Server::new(&self.authority, &self.dir.path().join("registry"), move |request| {
            let head = if has_login(request) {
                format!("307 Temporary Redirect\r\nLocation: {elsewhere}")
            } else {
                "401 Unauthorized".to_owned()
            };
            format!("HTTP/1.1 {head}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        })
    }

    fn fetch(&self, url: &str, path: &Path) -> Output {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../guest/airlab-fetch");
        let lines = format!("login - - user = \"node:s3cret\"\n{SUM} 0755 {url} {}\n", path.display());
        let cmd = Cmd::new("sh").arg(script).env("AIRLAB_FETCH_LOCK", self.dir.path().join("lock"));
        Local.run(&cmd.env("CURL_CA_BUNDLE", self.dir.path().join("ca.pem")).stdin(lines)).unwrap()
    }
}

fn has_login(request: &str) -> bool {
    request.to_lowercase().contains("\r\nauthorization: basic ")
}

#[test]
fn a_registry_may_send_a_node_elsewhere_for_a_blob_which_is_not_shown_the_login() {
    let world = World::new();
    let store = Server::new(&world.authority, &world.dir.path().join("store"), |_| {
        format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{BLOB}", BLOB.len())
    });
    let registry = world.registry(format!("https://{}/bucket/blob", store.address));
    let path = world.dir.path().join("bin/k3s");
    let out = world.fetch(&format!("https://{}/v2/k3s/blobs/sha256:1", registry.address), &path);
    assert_eq!(out.text(), format!("fetched {}", path.display()), "{}", out.error_text());
    assert_eq!(std::fs::read_to_string(&path).unwrap(), BLOB);
    assert!(registry.asked().iter().all(|r| has_login(r)), "{:?}", registry.asked());
    let asked = store.asked();
    assert!(asked.len() == 1 && asked[0].starts_with("GET /bucket/blob ") && !has_login(&asked[0]), "{asked:?}");
}

#[test]
fn a_node_is_not_sent_off_tls() {
    let world = World::new();
    let plain = TcpListener::bind("127.0.0.1:0").unwrap();
    plain.set_nonblocking(true).unwrap();
    let registry = world.registry(format!("http://{}/blob", plain.local_addr().unwrap()));
    let path = world.dir.path().join("k3s");
    let out = world.fetch(&format!("https://{}/blob", registry.address), &path);
    assert!(out.code != 0 && out.error_text().contains("http"), "{} {}", out.code, out.error_text());
    assert!(!path.exists() && plain.accept().is_err(), "a plain connection was made");
}
