//! The registry and the mirror as their users meet them.

#![allow(clippy::unwrap_used)]

mod images;
mod mirroring;
mod pull;
mod push;
mod skopeo;

use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use registry_mirror::{ServeSpec, Serving, Store, serve};

/// A served store with everything a client needs.
struct Lab {
    dir: tempfile::TempDir,
    ca_pem: String,
    serving: Serving,
    client: reqwest::Client,
}

impl Lab {
    /// Must be called inside a runtime.
    fn start() -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let dir = tempfile::tempdir().unwrap();
        let spec = serve_spec(dir.path());
        let ca_pem = std::fs::read_to_string(dir.path().join("pki/ca.crt")).unwrap();
        let serving = serve(&spec).unwrap();
        let ca = reqwest::Certificate::from_pem(ca_pem.as_bytes()).unwrap();
        let client = reqwest::Client::builder().tls_certs_only([ca]).no_proxy().build().unwrap();
        Self { dir, ca_pem, serving, client }
    }

    fn host(&self) -> String {
        self.serving.address().to_string()
    }

    fn url(&self, path: &str) -> String {
        format!("https://{}{path}", self.host())
    }

    fn store(&self) -> Store {
        Store::open(&self.dir.path().join("store")).unwrap()
    }

    fn log(&self) -> Vec<serde_json::Value> {
        let text = std::fs::read_to_string(self.dir.path().join("access.log")).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The folder with `ca.crt`, as skopeo wants it.
    fn cert_dir(&self) -> PathBuf {
        let dir = self.dir.path().join("certs");
        std::fs::create_dir_all(&dir).unwrap();
        std::fs::write(dir.join("ca.crt"), &self.ca_pem).unwrap();
        dir
    }
}

fn serve_spec(dir: &Path) -> ServeSpec {
    let localhost = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let authority = pki::AuthoritySpec { name: "test".into(), networks: vec![(localhost, 8)], domains: vec![] };
    let authority = pki::Authority::ensure(&dir.join("pki"), &authority, SystemTime::now()).unwrap();
    let identity = authority.issue_server("registry", &["127.0.0.1".into()], SystemTime::now()).unwrap();
    ServeSpec {
        address: localhost,
        port: 0,
        store: dir.join("store"),
        cert_pem: identity.cert_pem().into(),
        key_pem: identity.key_pem().clone(),
        log: Some(dir.join("access.log")),
    }
}

/// Runs a program off the runtime's threads; panics when it fails.
async fn run(program: &str, args: &[&str]) -> String {
    let cmd = machine::Cmd::new(program).args(args.iter().copied()).timeout(Duration::from_secs(60));
    tokio::task::spawn_blocking(move || machine::Local.run_ok(&cmd).unwrap().text()).await.unwrap()
}
