//! From a node's specification to the files of its NoCloud volume.

use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use sha2::{Digest, Sha256};
use steps::Problem;

use crate::{Autoinstall, CloudConfig, GoldenSpec, NetworkConfig, NodeFile, NodeSpec};

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
    let user_data = |hash: &str| UserData { autoinstall: Autoinstall::of(node, hash) };
    sealed(&node.hostname, &NetworkConfig::of(node), user_data)
}

/// Makes the seed of a node that is a clone of the machine that [`golden`] installs: its `user-data` is the cloud-config
/// of the first boot itself, and holds only what makes the node this one. Of `files` and `trusted_cas` nothing is in it.
///
/// ```
/// # let mut node = cloudinit::NodeSpec::new("worker1", "192.168.6.11".parse().unwrap());
/// # node.authorized_keys.push("ssh-ed25519 AAAA... lab".into());
/// # node.host_key_public = "ssh-ed25519 AAAA... worker1".into();
/// # node.host_key_private = "-----BEGIN OPENSSH PRIVATE KEY-----\n...".into();
/// use secrecy::ExposeSecret;
/// let seed = cloudinit::clone_seed(&node).unwrap();
/// assert!(seed.user_data.expose_secret().starts_with("#cloud-config\nhostname: worker1\n"));
/// ```
pub fn clone_seed(node: &NodeSpec) -> Result<Seed, SeedError> {
    check(node)?;
    sealed(&node.hostname, &NetworkConfig::of(node), |hash| CloudConfig::of_clone(node, hash))
}

/// Makes the seed that installs the machine of which nodes are cloned. It has the system with everything that all nodes
/// share and nothing of any one node: no name, no address, no user, no key.
///
/// The machine ends switched off. [`Seed::golden_mark`] says what its console must have shown by then.
pub fn golden(spec: &GoldenSpec) -> Result<Seed, SeedError> {
    let name = "golden";
    check_shared(name, &spec.trusted_cas, &spec.files)?;
    let user_data = |hash: &str| UserData { autoinstall: Autoinstall::golden(spec, hash) };
    sealed(name, &NetworkConfig::none(), user_data)
}

/// Renders twice: with zeros in the hash's place to get the hash, then with it.
fn sealed<T: Serialize>(name: &str, network: &NetworkConfig, user_data: impl Fn(&str) -> T) -> Result<Seed, SeedError> {
    let render = |hash: &str| {
        let yaml = |source| SeedError::Yaml { hostname: name.to_owned(), source };
        let instance_id = format!("airlab-{name}-{}", &hash[..16]);
        Ok(Seed {
            user_data: format!("#cloud-config\n{}", text(&user_data(hash)).map_err(yaml)?).into(),
            meta_data: text(&MetaData { instance_id, local_hostname: name.to_owned() }).map_err(yaml)?,
            network_config: text(network).map_err(yaml)?,
            content_hash: hash.to_owned(),
        })
    };
    let blank = render(&"0".repeat(64))?;
    let mut hasher = Sha256::new();
    for text in [blank.user_data.expose_secret(), blank.meta_data.as_str(), blank.network_config.as_str()] {
        hasher.update((text.len() as u64).to_le_bytes());
        hasher.update(text);
    }
    render(&hex::encode(hasher.finalize()))
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
    if !(1..=30).contains(&node.prefix) {
        return bad("prefix", &node.prefix.to_string());
    }
    if let Some(server) = node.nameservers.iter().find(|ip| ip.is_loopback() || ip.is_unspecified()) {
        return bad("nameservers", &server.to_string());
    }
    check_shared(&node.hostname, &node.trusted_cas, &node.files)
}

fn check_shared(hostname: &str, trusted_cas: &[String], files: &[NodeFile]) -> Result<(), SeedError> {
    let bad = |field, value: &str| {
        Err(SeedError::BadValue { hostname: hostname.to_owned(), field, value: value.chars().take(80).collect() })
    };
    let is_pem = |pem: &str| pem.trim_start().starts_with("-----BEGIN CERTIFICATE-----");
    if let Some(pem) = trusted_cas.iter().find(|pem| !is_pem(pem)) {
        return bad("trusted_cas", pem);
    }
    if let Some(file) = files.iter().find(|f| !f.path.starts_with('/')) {
        return bad("files", &file.path);
    }
    Ok(())
}

/// RFC 1123: letters, digits and inner hyphens, 63 at the most, in lower case.
fn is_label(text: &str) -> bool {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    (1..=63).contains(&text.len()) && text.chars().all(inner) && !text.starts_with('-') && !text.ends_with('-')
}
