//! The node's own download, `guest/airlab-fetch`, with real curl and servers over TLS.

use std::net::TcpListener;
use std::path::Path;
use std::time::SystemTime;

use machine::{Cmd, Local, Output};
use pki::{Authority, AuthoritySpec};
use secrecy::ExposeSecret;
use testkit::TlsServer;

/// SHA-256 of [`BLOB`].
const SUM: &str = "cac8f874d7176d6f1a06b955e0b280a51181085454de77c56b2e349b3fc15b9b";
const BLOB: &str = "a program for the node\n";

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

    fn server(&self, name: &str, answer: impl Fn(&str) -> String + Send + Sync + 'static) -> TlsServer {
        let names = ["127.0.0.1".to_owned()];
        let leaf = self.authority.ensure_server(&self.dir.path().join(name), name, &names, SystemTime::now()).unwrap();
        TlsServer::new(leaf.cert_pem(), leaf.key_pem().expose_secret(), answer)
    }

    /// A registry that wants a login, and sends whoever has it to `elsewhere`.
    fn registry(&self, elsewhere: String) -> TlsServer {
        self.server("registry", move |request| {
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
    let store = world.server("store", |_| {
        format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{BLOB}", BLOB.len())
    });
    let registry = world.registry(format!("https://{}/bucket/blob", store.address()));
    let path = world.dir.path().join("bin/k3s");
    let out = world.fetch(&format!("https://{}/v2/k3s/blobs/sha256:1", registry.address()), &path);
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
    let out = world.fetch(&format!("https://{}/blob", registry.address()), &path);
    assert!(out.code != 0 && out.error_text().contains("http"), "{} {}", out.code, out.error_text());
    assert!(!path.exists() && plain.accept().is_err(), "a plain connection was made");
}
