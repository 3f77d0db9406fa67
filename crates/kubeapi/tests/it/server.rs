//! etcd and kube-apiserver as processes on loopback.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

use kubeapi::Api;
use machine::{Background, Cmd, Local};
use serde_json::json;
use steps::chain;
use tempfile::TempDir;

use crate::identities::{Authority, Identity, When};

/// A program that is killed when the test is over.
pub(crate) struct Process(Background);

impl Process {
    fn start(cmd: Cmd, log: PathBuf) -> Self {
        let cmd = Cmd::new("setpriv").args(["--pdeathsig", "KILL", "--"]).args(cmd.argv());
        Self(Local.start(&cmd, &log).unwrap())
    }

    pub(crate) fn signal(&self, signal: &str) {
        let _ = Local.run(&Cmd::new("kill").args([signal, &self.0.pid.to_string()]));
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.signal("-KILL");
    }
}

pub(crate) struct Server {
    pub(crate) url: String,
    pub(crate) address: String,
    pub(crate) etcd: Process,
    etcd_url: String,
    apiserver: Process,
    dir: TempDir,
    ours: Authority,
    theirs: Authority,
    identities: BTreeMap<&'static str, Identity>,
}

impl Server {
    /// None where a part is not there.
    pub(crate) fn start() -> Option<Self> {
        let k3s = k3s()?;
        let etcd = ["/usr/bin/etcd", "/usr/local/bin/etcd"].into_iter().find(|p| Path::new(p).exists())?;
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name).display().to_string();
        let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
        let identities = BTreeMap::from([
            ("server", ours.issue("server", "", &["127.0.0.1"], When::Now)),
            ("past", ours.issue("past", "", &["past.test"], When::Past)),
            ("future", ours.issue("future", "", &["future.test"], When::Future)),
            ("admin", ours.issue("admin", "system:masters", &[], When::Now)),
            ("nobody", ours.issue("nobody", "", &[], When::Now)),
            ("expired", ours.issue("admin", "system:masters", &[], When::Past)),
        ]);
        identities.iter().for_each(|(name, identity)| identity.write(dir.path(), name));
        std::fs::write(at("ca.crt"), ours.pem()).unwrap();

        let [clients, peers, api] = ports();
        let (etcd_url, peer_url) = (format!("http://127.0.0.1:{clients}"), format!("http://127.0.0.1:{peers}"));
        let etcd = Cmd::new(etcd).arg(format!("--data-dir={}", at("etcd"))).args([
            format!("--listen-client-urls={etcd_url}"),
            format!("--advertise-client-urls={etcd_url}"),
            format!("--listen-peer-urls={peer_url}"),
            format!("--initial-advertise-peer-urls={peer_url}"),
            format!("--initial-cluster=default={peer_url}"),
        ]);
        let etcd = Process::start(etcd, dir.path().join("etcd.log"));
        // the program becomes what it is called
        std::os::unix::fs::symlink(k3s, at("kube-apiserver")).unwrap();
        let sni = |name: &str| {
            format!("--tls-sni-cert-key={},{}:{name}.test", at(&format!("{name}.crt")), at(&format!("{name}.key")))
        };
        let apiserver = Cmd::new(at("kube-apiserver")).args([
            format!("--etcd-servers={etcd_url}"),
            format!("--secure-port={api}"),
            format!("--cert-dir={}", at("certs")),
            format!("--tls-cert-file={}", at("server.crt")),
            format!("--tls-private-key-file={}", at("server.key")),
            format!("--client-ca-file={}", at("ca.crt")),
            format!("--service-account-key-file={}", at("server.crt")),
            format!("--service-account-signing-key-file={}", at("server.key")),
            sni("past"),
            sni("future"),
        ]);
        let apiserver = apiserver.args([
            "--bind-address=127.0.0.1",
            "--advertise-address=127.0.0.1",
            "--service-account-issuer=https://kubernetes.default.svc",
            "--service-cluster-ip-range=10.43.0.0/16",
            "--authorization-mode=RBAC",
            "--anonymous-auth=false",
            "--disable-admission-plugins=ServiceAccount",
            // watches of these go to etcd itself, which forgets what is compacted
            "--watch-cache-sizes=configmaps#0",
        ]);
        let apiserver = Process::start(apiserver, dir.path().join("apiserver.log"));
        let address = format!("127.0.0.1:{api}");
        let url = format!("https://{address}");
        Some(Self { url, address, etcd, etcd_url, apiserver, dir, ours, theirs, identities })
    }

    pub(crate) async fn ready(&self, api: &Api) {
        for _ in 0..360 {
            if api.text("/readyz").await.is_ok() {
                return;
            }
            if self.apiserver.0.ended().is_some() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        let why = api.text("/readyz").await.map_err(|e| chain(&e));
        let log = std::fs::read_to_string(self.dir.path().join("apiserver.log")).unwrap_or_default();
        panic!("the API server does not come up: {why:?}\n{}", &log[log.len().saturating_sub(3000)..]);
    }

    /// A kubeconfig for the API at `url` as one of the identities.
    pub(crate) fn kubeconfig(&self, url: &str, who: &str) -> String {
        self.kubeconfig_with(url, who, |_, _| {})
    }

    pub(crate) fn kubeconfig_with(
        &self,
        url: &str,
        who: &str,
        edit: impl FnOnce(&mut serde_json::Value, &mut serde_json::Value),
    ) -> String {
        let identity = &self.identities[who];
        let mut cluster = json!({"server": url, "certificate-authority-data": base64(&self.ours.pem())});
        let mut user = json!({
            "client-certificate-data": base64(&identity.cert), "client-key-data": base64(&identity.key),
        });
        edit(&mut cluster, &mut user);
        let context = json!({"cluster": "t", "user": "t"});
        json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "t",
            "clusters": [{"name": "t", "cluster": cluster}],
            "users": [{"name": "t", "user": user}],
            "contexts": [{"name": "t", "context": context}],
        })
        .to_string()
    }

    /// The authority that has signed nothing here.
    pub(crate) fn other_authority(&self) -> String {
        base64(&self.theirs.pem())
    }

    /// Makes etcd forget everything before now, as it does by itself every five minutes.
    pub(crate) fn compact(&self) {
        let env = |cmd: Cmd| cmd.env("ETCDCTL_API", "3").timeout(Duration::from_secs(20));
        let etcdctl = || Cmd::new("etcdctl").arg(format!("--endpoints={}", self.etcd_url));
        let status = Local.run_ok(&env(etcdctl().args(["endpoint", "status", "--write-out=json"]))).unwrap();
        let status: serde_json::Value = serde_json::from_slice(&status.stdout).unwrap();
        let revision = status[0]["Status"]["header"]["revision"].as_u64().unwrap();
        Local.run_ok(&env(etcdctl().args(["compact", &revision.to_string()]))).unwrap();
    }
}

/// The demo lab's k3s: by its variable, or the newest that was built.
fn k3s() -> Option<PathBuf> {
    if let Some(path) = std::env::var_os("AIRLAB_API_K3S") {
        return Some(path.into());
    }
    let built = std::fs::read_dir(demolab::default_cache()).ok()?.flatten();
    let built = built.filter(|e| e.file_name().to_string_lossy().starts_with("k3s-"));
    let built = built.filter(|e| e.path().join("done").exists() && e.path().join("k3s").exists());
    Some(built.max_by_key(|e| e.metadata().and_then(|m| m.modified()).ok())?.path().join("k3s"))
}

fn ports<const N: usize>() -> [u16; N] {
    let listeners: Vec<TcpListener> = (0..N).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
    std::array::from_fn(|i| listeners[i].local_addr().unwrap().port())
}

pub(crate) fn base64(text: &str) -> String {
    base64::Engine::encode(&base64::engine::general_purpose::STANDARD, text)
}
