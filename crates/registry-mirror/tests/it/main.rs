//! The registry and the mirror as their users meet them.

#![allow(clippy::unwrap_used)]

mod counts;
mod fake;
mod garbage;
mod hostile;
mod images;
mod life;
mod lines;
mod mirroring;
mod oci_client;
mod pull;
mod push;
mod skopeo;
mod spec;
mod upload;
mod users;

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
        Self::start_as(|_| {})
    }

    fn start_as(change: impl FnOnce(&mut ServeSpec)) -> Self {
        Self::serve(tempfile::tempdir().unwrap(), change)
    }

    /// The same store, served by another server.
    async fn restarted(self) -> Self {
        self.restarted_as(|_| {}).await
    }

    async fn restarted_as(self, change: impl FnOnce(&mut ServeSpec)) -> Self {
        self.serving.until(std::future::ready(()), Duration::from_millis(200)).await.unwrap();
        Self::serve(self.dir, change)
    }

    fn serve(dir: tempfile::TempDir, change: impl FnOnce(&mut ServeSpec)) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut spec = serve_spec(dir.path());
        change(&mut spec);
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
    let address = std::net::SocketAddr::from((localhost, 0));
    let mut spec = ServeSpec::new(address, dir.join("store"), identity.cert_pem().into(), identity.key_pem().clone());
    spec.log = Some(dir.join("access.log"));
    spec
}

/// Runs a program off the runtime's threads; panics when it fails.
async fn run(program: &str, args: &[&str]) -> String {
    let cmd = machine::Cmd::new(program).args(args.iter().copied()).timeout(Duration::from_secs(60));
    tokio::task::spawn_blocking(move || machine::Local.run_ok(&cmd).unwrap().text()).await.unwrap()
}
