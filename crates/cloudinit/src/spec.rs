//! What a caller says about a node.

use std::net::{IpAddr, Ipv4Addr};

use secrecy::SecretString;

/// A file that the node has from its first boot on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeFile {
    /// Absolute path on the node.
    pub path: String,
    /// Its text. Not for secrets: whoever holds the seed can read it.
    pub content: String,
    /// Unix permission bits.
    pub mode: u32,
}

impl NodeFile {
    /// A file owned by root.
    pub fn new(path: impl Into<String>, content: impl Into<String>, mode: u32) -> Self {
        Self { path: path.into(), content: content.into(), mode }
    }
}

/// Everything that makes one node's seed.
#[derive(Debug, Clone)]
pub struct NodeSpec {
    /// Host name, an RFC 1123 label.
    pub hostname: String,
    /// Static IPv4 address.
    pub address: Ipv4Addr,
    /// Length of the network prefix, such as 24.
    pub prefix: u8,
    /// Default route. k3s does not start without one, even on a network that leads nowhere.
    pub gateway: Ipv4Addr,
    /// Resolvers; routable addresses, never loopback.
    pub nameservers: Vec<IpAddr>,
    /// The login user, with sudo and without a password.
    pub user: String,
    /// Public keys in OpenSSH's format that may log in as `user`.
    pub authorized_keys: Vec<String>,
    /// The host's own Ed25519 private key in OpenSSH's PEM format.
    pub host_key_private: SecretString,
    /// Its public half in OpenSSH's one-line format.
    pub host_key_public: String,
    /// Authorities that the node's system trust store shall hold, each one PEM certificate.
    pub trusted_cas: Vec<String>,
    /// More files: scripts, units, environment files.
    pub files: Vec<NodeFile>,
    /// systemd units to enable and start at the end of the first boot, in this order.
    pub units: Vec<String>,
    /// `en_US.UTF-8` and the like.
    pub locale: String,
    /// Keyboard layout: `us`, `kr`.
    pub keyboard: String,
    /// Time zone: `Etc/UTC`, `Asia/Seoul`.
    pub timezone: String,
}

impl NodeSpec {
    /// A node with this name and address in a /24 whose `.1` is gateway and resolver, user `airlab`, no keys yet.
    pub fn new(hostname: impl Into<String>, address: Ipv4Addr) -> Self {
        let [a, b, c, _] = address.octets();
        let gateway = Ipv4Addr::new(a, b, c, 1);
        Self {
            hostname: hostname.into(),
            address,
            prefix: 24,
            gateway,
            nameservers: vec![gateway.into()],
            user: "airlab".into(),
            authorized_keys: Vec::new(),
            host_key_private: SecretString::default(),
            host_key_public: String::new(),
            trusted_cas: Vec::new(),
            files: Vec::new(),
            units: Vec::new(),
            locale: "en_US.UTF-8".into(),
            keyboard: "us".into(),
            timezone: "Etc/UTC".into(),
        }
    }
}
