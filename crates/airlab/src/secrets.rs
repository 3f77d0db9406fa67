//! Every key and identity of a lab, made before its first machine starts.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use lab::{Lab, Layout, Node};
use machine::{HostKey, KeyPair, SshTarget};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

use pki::{Authority, AuthoritySpec, ClusterCa, JoinTokens};

use crate::context::known_hosts;
use crate::registry::external_ca;
use crate::{AirlabError, Failure};

/// The login user of every node.
pub(crate) const USER: &str = "airlab";

/// The keys of a lab. Nothing of it is ever replaced: what exists is used, what is missing is made.
pub(crate) struct Secrets {
    pub(crate) user_key: Arc<KeyPair>,
    pub(crate) host_keys: BTreeMap<String, HostKey>,
    /// The keys with which existing hosts let us in, where it is not the lab's own.
    host_logins: BTreeMap<String, Arc<KeyPair>>,
    pub(crate) authority: Authority,
    /// Authorities that nodes trust, PEM: the lab's own, and that of a registry that is not.
    pub(crate) trusted: Vec<String>,
    /// When the last of the lab's authorities was made, or now where this host says that is still to come: no clock of the
    /// lab can be before it.
    pub(crate) born: SystemTime,
    /// The same, whatever this host's clock says now.
    pub(crate) made: SystemTime,
    pub(crate) cluster: ClusterCa,
    pub(crate) tokens: JoinTokens,
    /// Fixed passwords with which nodes join, so that a rebuilt node of the same name joins again.
    pub(crate) node_passwords: BTreeMap<String, SecretString>,
}

impl Secrets {
    /// Loads the lab's keys, making those that are missing; says which kinds are new.
    pub(crate) fn ensure(lab: &Lab, files: &Layout, now: SystemTime) -> Result<(Self, Vec<String>), Failure> {
        let mut made = Vec::new();
        let new_pki = !files.pki().exists();
        for dir in [files.root().to_owned(), files.pki(), files.ssh()] {
            private_folder(&dir)?;
        }
        let (user_key, new) = KeyPair::ensure(&files.ssh().join("id_ed25519"), &format!("{USER}@{}", lab.name))?;
        if new {
            made.push("SSH user key".to_owned());
        }
        let mut host_keys = BTreeMap::new();
        for node in lab.machines() {
            let (key, new) = HostKey::ensure(&files.ssh().join(format!("host_{}", node.name)), &node.name)?;
            if new {
                made.push(format!("SSH host key of {}", node.name));
            }
            host_keys.insert(node.name.clone(), key);
        }
        let mut host_logins = BTreeMap::new();
        for node in lab.hosts() {
            if let Some(key) = node.host.as_ref().and_then(|host| host.key.as_deref()) {
                host_logins.insert(node.name.clone(), Arc::new(KeyPair::load(key)?));
            }
        }
        let cidr = lab.network.cidr;
        let spec = AuthoritySpec {
            name: format!("airlab {}", lab.name),
            networks: vec![(cidr.base().into(), cidr.prefix())],
            domains: vec![],
        };
        let pki = files.pki();
        let authority = Authority::ensure(&pki.join("ca"), &spec, now)?;
        authority.ensure_server(&pki, "registry", &[cidr.host().to_string()], now)?;
        let cluster = ClusterCa::ensure(&pki.join("cluster"), &lab.name, now)?;
        let tokens = JoinTokens::ensure(&pki.join("cluster"), cluster.server_ca())?;
        if new_pki {
            made.push("certificate authorities, registry certificate and join tokens".to_owned());
        }
        let mut node_passwords = BTreeMap::new();
        for node in &lab.nodes {
            node_passwords.insert(node.name.clone(), node_password(tokens.server.full(), &node.name));
        }
        machine::write_file(&known_hosts(files), known_hosts_text(lab, &host_keys).as_bytes(), 0o644)?;
        let user_key = Arc::new(user_key);
        let made_at = authority.made().max(cluster.made());
        let born = made_at.min(now);
        let trusted = std::iter::once(authority.cert_pem().to_owned()).chain(external_ca(lab)?).collect();
        let all = Self {
            user_key,
            host_keys,
            host_logins,
            authority,
            trusted,
            born,
            made: made_at,
            cluster,
            tokens,
            node_passwords,
        };
        Ok((all, made))
    }

    /// Loads the keys of a lab that was provisioned; makes nothing.
    pub(crate) fn load(lab: &Lab, files: &Layout) -> Result<Self, Failure> {
        if !files.pki().exists() {
            return Err(AirlabError::NoLab { root: files.root().to_owned() }.into());
        }
        Ok(Self::ensure(lab, files, SystemTime::now())?.0)
    }

    /// Where and how to log in to a node: its host key is pinned.
    pub(crate) fn ssh(&self, node: &Node) -> SshTarget {
        SshTarget {
            addr: SocketAddr::from((node.address, node.ssh_port())),
            user: user_of(node).to_owned(),
            key: self.host_logins.get(&node.name).unwrap_or(&self.user_key).clone(),
            host_key: host_key(node, &self.host_keys),
        }
    }
}

/// Who logs in to a node.
pub(crate) fn user_of(node: &Node) -> &str {
    node.host.as_ref().map_or(USER, |host| &host.user)
}

/// The public host key of a node: made with the lab, or pinned in its file.
fn host_key(node: &Node, keys: &BTreeMap<String, HostKey>) -> String {
    let pinned = node.host.as_ref().map(|host| host.host_key.clone());
    pinned.or_else(|| keys.get(&node.name).map(KeyPair::public_openssh)).unwrap_or_default()
}

/// Makes a folder that only its owner can look into.
fn private_folder(dir: &Path) -> Result<(), Failure> {
    let fail = |source| AirlabError::File { path: dir.to_owned(), action: "not made", source };
    std::fs::create_dir_all(dir).map_err(fail)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(dir, std::fs::Permissions::from_mode(0o700)).map_err(fail)?;
    }
    Ok(())
}

fn known_hosts_text(lab: &Lab, keys: &BTreeMap<String, HostKey>) -> String {
    let line = |node: &Node| format!("{},{} {}\n", node.name, node.address, host_key(node, keys));
    lab.nodes.iter().map(line).collect()
}

/// A node's password for joining: the same after every rebuild, and of no use without the server token.
fn node_password(server_token: &SecretString, node: &str) -> SecretString {
    let mut hasher = Sha256::new();
    hasher.update(server_token.expose_secret());
    hasher.update(node);
    hex::encode(hasher.finalize()).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_labs_birth_is_what_its_certificates_say_whatever_happens_to_the_files() {
        let dir = tempfile::tempdir().unwrap();
        let lab = Lab::parse(Path::new("airlab.toml"), lab::DEMO).unwrap();
        let files = Layout::of(&lab, dir.path());
        let then = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        assert_eq!(Secrets::ensure(&lab, &files, then).unwrap().0.born, then);
        let later = then + Duration::from_secs(30 * 86_400);
        let copy = std::fs::read(files.pki().join("ca/ca.crt")).unwrap();
        std::fs::write(files.pki().join("ca/ca.crt"), copy).unwrap();
        assert_eq!(Secrets::ensure(&lab, &files, later).unwrap().0.born, then);
        let hour = Duration::from_secs(3600);
        let behind = Secrets::ensure(&lab, &files, then - hour).unwrap().0;
        assert_eq!((behind.born, behind.made), (then - hour, then));
    }
}
