//! The served program, and the end of it.

use std::net::{IpAddr, Ipv4Addr, TcpListener};
use std::path::Path;
use std::time::{Duration, SystemTime};

use machine::{Background, Cmd, Local};

/// A registry in a process of its own. Killed when dropped.
pub(crate) struct Server {
    pub(crate) process: Background,
    pub(crate) url: String,
    pub(crate) host: String,
}

impl Server {
    /// Serves the store of a folder; `prefix` is what the program is started through.
    pub(crate) async fn start(dir: &Path, prefix: &[&str]) -> Self {
        Self::start_as(dir, "store", prefix).await
    }

    /// As [`start`](Self::start), the store `name` of the folder; its requests are in `NAME.requests`.
    pub(crate) async fn start_as(dir: &Path, name: &str, prefix: &[&str]) -> Self {
        let localhost = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let authority = pki::AuthoritySpec { name: "test".into(), networks: vec![(localhost, 8)], domains: vec![] };
        let authority = pki::Authority::ensure(&dir.join("pki"), &authority, SystemTime::now()).unwrap();
        authority.ensure_server(&dir.join("server"), "server", &["127.0.0.1".into()], SystemTime::now()).unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let program = env!("CARGO_BIN_EXE_registry-mirror");
        let mut words = prefix.iter().copied().chain([program]);
        let cmd = Cmd::new(words.next().unwrap()).args(words);
        let cmd = cmd.args(["serve", "--address", "127.0.0.1", "--port", &port.to_string()]);
        let cmd = cmd.arg("--store").arg(dir.join(name));
        let cmd = cmd.arg("--log").arg(dir.join(format!("{name}.requests")));
        let cmd = cmd.arg("--cert").arg(dir.join("server/server.crt")).arg("--key").arg(dir.join("server/server.key"));
        let log = dir.join(format!("{name}.log"));
        let process = Local.start(&cmd, &log).unwrap();
        let host = format!("127.0.0.1:{port}");
        let server = Self { process, url: format!("https://{host}"), host };
        let client = client(dir);
        for _ in 0..300 {
            if client.get(format!("{}/healthz", server.url)).send().await.is_ok() {
                return server;
            }
            assert_eq!(server.process.ended(), None, "{}", std::fs::read_to_string(&log).unwrap());
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("the registry does not answer");
    }

    /// As a power cut ends it.
    pub(crate) fn kill(&self) {
        let _ = Local.run(&Cmd::new("kill").args(["-9", "--", &format!("-{}", self.process.pid)]));
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.process.ended().is_none() {
            self.kill();
        }
    }
}

/// A client that trusts the folder's authority.
pub(crate) fn client(dir: &Path) -> reqwest::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let ca = std::fs::read(dir.join("pki/ca.crt")).unwrap();
    let ca = reqwest::Certificate::from_pem(&ca).unwrap();
    let limit = Duration::from_secs(60);
    reqwest::Client::builder().tls_certs_only([ca]).no_proxy().timeout(limit).build().unwrap()
}
