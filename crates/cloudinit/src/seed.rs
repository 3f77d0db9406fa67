//! From a node's specification to the files of its NoCloud volume.

use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use sha2::{Digest, Sha256};
use steps::Problem;

use crate::{Autoinstall, NetworkConfig, NodeSpec};

/// Written into the installed system by the installer's last commands; holds the seed's content hash.
pub const INSTALLED: &str = "/var/lib/airlab/installed";
/// Written at the very end of the first boot; holds the seed's content hash.
pub const READY: &str = "/var/lib/airlab/ready";
/// Where the first boot finds the hash.
pub(crate) const SEED_HASH: &str = "/etc/airlab/seed-hash";

/// The three files of a NoCloud volume.
#[derive(Debug, Clone)]
pub struct Seed {
    /// `user-data`; holds the host's private key.
    pub user_data: SecretString,
    /// `meta-data`.
    pub meta_data: String,
    /// `network-config`, for the installer's own session.
    pub network_config: String,
    /// SHA-256 over everything above, as it is with zeros in the hash's place. The markers hold it.
    pub content_hash: String,
}

/// A seed could not be made from the specification.
#[derive(Debug, thiserror::Error)]
pub enum SeedError {
    /// A value would not survive its way into the node.
    #[error("{field} of {hostname} is not usable: {value:?}")]
    BadValue {
        /// The node.
        hostname: String,
        /// Which field of [`NodeSpec`].
        field: &'static str,
        /// What it holds; never a secret.
        value: String,
    },
    /// Serialization failed.
    #[error("the seed of {hostname} cannot be written as YAML")]
    Yaml {
        /// The node.
        hostname: String,
        /// Why.
        #[source]
        source: serde_saphyr::SerializeError,
    },
}

impl Problem for SeedError {
    fn id(&self) -> &'static str {
        match self {
            Self::BadValue { .. } => "AL-INI-001",
            Self::Yaml { .. } => "AL-INI-002",
        }
    }

    fn args(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::BadValue { hostname, field, value } => {
                vec![("node", hostname.clone()), ("field", (*field).to_owned()), ("value", value.clone())]
            }
            Self::Yaml { hostname, .. } => vec![("node", hostname.clone())],
        }
    }
}

#[derive(Serialize)]
struct UserData {
    autoinstall: Autoinstall,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct MetaData {
    instance_id: String,
    local_hostname: String,
}

/// Makes the seed. The same specification always gives the same bytes.
///
/// ```
/// let mut node = cloudinit::NodeSpec::new("worker1", "192.168.6.11".parse().unwrap());
/// node.authorized_keys.push("ssh-ed25519 AAAA... lab".into());
/// node.host_key_public = "ssh-ed25519 AAAA... worker1".into();
/// node.host_key_private = "-----BEGIN OPENSSH PRIVATE KEY-----\n...".into();
/// let seed = cloudinit::seed(&node).unwrap();
/// assert!(seed.meta_data.contains("local-hostname: worker1"));
/// assert_eq!(seed.content_hash.len(), 64);
/// ```
pub fn seed(node: &NodeSpec) -> Result<Seed, SeedError> {
    check(node)?;
    let blank = render(node, &"0".repeat(64))?;
    let mut hasher = Sha256::new();
    for text in [blank.user_data.expose_secret(), blank.meta_data.as_str(), blank.network_config.as_str()] {
        hasher.update((text.len() as u64).to_le_bytes());
        hasher.update(text);
    }
    let hash: String = hasher.finalize().iter().map(|b| format!("{b:02x}")).collect();
    render(node, &hash)
}

fn render(node: &NodeSpec, hash: &str) -> Result<Seed, SeedError> {
    let yaml = |source| SeedError::Yaml { hostname: node.hostname.clone(), source };
    let user_data = UserData { autoinstall: Autoinstall::of(node, hash) };
    let meta_data = MetaData {
        instance_id: format!("airlab-{}-{}", node.hostname, &hash[..16]),
        local_hostname: node.hostname.clone(),
    };
    Ok(Seed {
        user_data: format!("#cloud-config\n{}", text(&user_data).map_err(yaml)?).into(),
        meta_data: text(&meta_data).map_err(yaml)?,
        network_config: text(&NetworkConfig::of(node)).map_err(yaml)?,
        content_hash: hash.to_owned(),
    })
}

/// Long lines stay one line: people read them.
fn text(value: &impl Serialize) -> Result<String, serde_saphyr::SerializeError> {
    serde_saphyr::to_string_with_options(
        value,
        serde_saphyr::ser_options! { min_fold_chars: usize::MAX, folded_wrap_chars: usize::MAX },
    )
}

fn check(node: &NodeSpec) -> Result<(), SeedError> {
    let bad = |field, value: &str| {
        Err(SeedError::BadValue { hostname: node.hostname.clone(), field, value: value.chars().take(80).collect() })
    };
    if !is_label(&node.hostname) {
        return bad("hostname", &node.hostname);
    }
    if !is_label(&node.user) || node.user == "root" {
        return bad("user", &node.user);
    }
    let is_key = |key: &str| !key.contains(char::is_control) && (key.starts_with("ssh-") || key.starts_with("sk-ssh-"));
    if let Some(key) = node.authorized_keys.iter().find(|key| !is_key(key)) {
        return bad("authorized_keys", key);
    }
    if node.authorized_keys.is_empty() {
        return bad("authorized_keys", "");
    }
    if !is_key(&node.host_key_public) {
        return bad("host_key_public", &node.host_key_public);
    }
    if node.host_key_private.expose_secret().is_empty() {
        return bad("host_key_private", "");
    }
    let is_pem = |pem: &str| pem.trim_start().starts_with("-----BEGIN CERTIFICATE-----");
    if let Some(pem) = node.trusted_cas.iter().find(|pem| !is_pem(pem)) {
        return bad("trusted_cas", pem);
    }
    if !(1..=30).contains(&node.prefix) {
        return bad("prefix", &node.prefix.to_string());
    }
    if let Some(server) = node.nameservers.iter().find(|ip| ip.is_loopback() || ip.is_unspecified()) {
        return bad("nameservers", &server.to_string());
    }
    if let Some(file) = node.files.iter().find(|f| !f.path.starts_with('/')) {
        return bad("files", &file.path);
    }
    Ok(())
}

/// RFC 1123: letters, digits and inner hyphens, 63 at the most, in lower case.
fn is_label(text: &str) -> bool {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    (1..=63).contains(&text.len()) && text.chars().all(inner) && !text.starts_with('-') && !text.ends_with('-')
}
