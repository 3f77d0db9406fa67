//! What a caller says about servers and agents.

use std::net::Ipv4Addr;
use std::time::Duration;

use machine::RemoteFile;
use secrecy::SecretString;

/// A file the node fetches by digest: the k3s binary, an archive of images.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Artifact {
    /// HTTPS address; its authority must be in the node's trust store.
    pub url: String,
    /// SHA-256 in hexadecimal.
    pub sha256: String,
    /// Where it goes. Archives of images carry their version in the name: k3s ignores a newer file of equal size.
    pub path: String,
    /// Unix permission bits.
    pub mode: u32,
}

impl Artifact {
    /// The k3s program itself.
    pub fn binary(url: impl Into<String>, sha256: impl Into<String>) -> Self {
        Self { url: url.into(), sha256: sha256.into(), path: "/usr/local/bin/k3s".into(), mode: 0o755 }
    }

    /// An archive of images that k3s imports before the kubelet starts. `name` ends in `.tar`, `.tar.gz`, `.tar.zst`.
    pub fn images(url: impl Into<String>, sha256: impl Into<String>, name: &str) -> Self {
        let path = format!("{}/{name}", crate::files::IMAGES);
        Self { url: url.into(), sha256: sha256.into(), path, mode: 0o644 }
    }
}

/// A name and a password (basic authentication).
#[derive(Debug, Clone)]
pub struct Login {
    /// The name; without a colon.
    pub user: String,
    /// The password.
    pub password: SecretString,
}

/// What servers and agents have in common.
#[derive(Debug, Clone)]
pub struct Node {
    /// Name in the cluster.
    pub name: String,
    /// Its address.
    pub ip: Ipv4Addr,
    /// A resolver that pods may use; routable, never loopback.
    pub resolver: Ipv4Addr,
    /// Network interface of the pods' routes; that of `ip` where k3s shall find it.
    pub flannel_iface: Option<String>,
    /// `key=value`.
    pub labels: Vec<String>,
    /// `key=value:Effect`.
    pub taints: Vec<String>,
    /// More arguments for the kubelet, without dashes.
    pub kubelet_args: Vec<String>,
    /// The text of `registries.yaml`, which may hold a password.
    pub registries: SecretString,
    /// More files the node shall have before the start, such as the authority that `registries.yaml` names.
    pub files: Vec<RemoteFile>,
    /// Fetched before the start.
    pub artifacts: Vec<Artifact>,
    /// Shown to where they are fetched from.
    pub login: Option<Login>,
    /// The node's own password for joining. Fixed, a rebuilt node of the same name joins again; else k3s makes one.
    pub password: Option<SecretString>,
    /// How long the service may take to start.
    pub deadline: Duration,
}

impl Node {
    /// A node with this name and address; resolver is `.1` of its /24; ten minutes to start.
    pub fn new(name: impl Into<String>, ip: Ipv4Addr) -> Self {
        let [a, b, c, _] = ip.octets();
        Self {
            name: name.into(),
            ip,
            resolver: Ipv4Addr::new(a, b, c, 1),
            flannel_iface: None,
            labels: Vec::new(),
            taints: Vec::new(),
            kubelet_args: Vec::new(),
            registries: SecretString::default(),
            files: Vec::new(),
            artifacts: Vec::new(),
            login: None,
            password: None,
            deadline: Duration::from_secs(600),
        }
    }
}

/// One of the cluster's own certificate authorities, put in place before the first start.
#[derive(Debug, Clone)]
pub struct ClusterCaFile {
    /// Path below `server/tls`: `server-ca.crt`, `etcd/peer-ca.key`.
    pub path: String,
    /// Its content.
    pub content: SecretString,
}

/// When k3s saves its datastore by itself, and how many of these snapshots it keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotPolicy {
    /// Five fields of cron.
    pub schedule: String,
    /// The newest of this many stay.
    pub retention: u32,
}

impl Default for SnapshotPolicy {
    /// k3s's own: at midnight and noon, five are kept.
    fn default() -> Self {
        Self { schedule: "0 */12 * * *".into(), retention: 5 }
    }
}

/// A server (control plane).
#[derive(Debug, Clone)]
pub struct ServerSpec {
    /// What every node has.
    pub node: Node,
    /// The server token; full form (`K10...::server:...`) where the cluster's CA is known beforehand.
    pub token: SecretString,
    /// The agents' own token, so that the server token stays off the workers.
    pub agent_token: SecretString,
    /// More names and addresses in the API's certificate.
    pub tls_sans: Vec<String>,
    /// The cluster's authorities; empty: k3s makes its own.
    pub cluster_ca: Vec<ClusterCaFile>,
    /// `https://ADDRESS:6443` of a server to join. `None`: this server begins the cluster, with embedded etcd.
    pub join: Option<String>,
    /// Packaged components to leave out: `traefik`, `servicelb`, `coredns`, `metrics-server`, `local-storage`.
    pub disable: Vec<String>,
    /// When k3s saves its datastore by itself, and how many it keeps.
    pub snapshots: SnapshotPolicy,
    /// Encrypt Secrets in the datastore; decided at the first start.
    pub secrets_encryption: bool,
    /// Refuse kernel settings other than the kubelet's own.
    pub protect_kernel_defaults: bool,
}

impl ServerSpec {
    /// A server that begins a cluster.
    pub fn new(node: Node, token: SecretString, agent_token: SecretString) -> Self {
        Self {
            node,
            token,
            agent_token,
            tls_sans: Vec::new(),
            cluster_ca: Vec::new(),
            join: None,
            disable: Vec::new(),
            snapshots: SnapshotPolicy::default(),
            secrets_encryption: false,
            protect_kernel_defaults: false,
        }
    }
}

/// An agent (worker).
#[derive(Debug, Clone)]
pub struct AgentSpec {
    /// What every node has.
    pub node: Node,
    /// `https://ADDRESS:6443` of a server.
    pub server: String,
    /// The agent token; full form (`K10...::node:...`) where the cluster's CA is known beforehand.
    pub token: SecretString,
    /// Refuse kernel settings other than the kubelet's own.
    pub protect_kernel_defaults: bool,
}

impl AgentSpec {
    /// An agent of this server.
    pub fn new(node: Node, server: impl Into<String>, token: SecretString) -> Self {
        Self { node, server: server.into(), token, protect_kernel_defaults: false }
    }
}
