//! A node that is an existing Linux host.

use std::path::PathBuf;

use serde::Serialize;

/// How an existing host is reached. airlab makes no machine for such a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SshHost {
    /// TCP port of its SSH server.
    pub port: u16,
    /// Who logs in there; may become root by `sudo` without a password, or is root.
    pub user: String,
    /// Its public host key, `ssh-ed25519 AAAA...`. Any other key ends the run.
    pub host_key: String,
    /// The private key to log in with; the lab's own where absent.
    pub key: Option<PathBuf>,
}

/// A public Ed25519 key in OpenSSH's one-line form, without its comment.
///
/// ```
/// let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGP7PlGqZVjFzLUnH1sZ7mKGOMbAqjXkrxJZbMcUwQH3 root@box";
/// assert_eq!(lab::ed25519(key).as_deref(), key.strip_suffix(" root@box"));
/// assert_eq!(lab::ed25519("SHA256:47DEQpj8HBSa"), None);
/// ```
pub fn ed25519(text: &str) -> Option<String> {
    /// Every one of them begins so: the name of the algorithm and the length of the key.
    const HEAD: &str = "AAAAC3NzaC1lZDI1NTE5AAAAI";
    let (kind, rest) = text.trim().split_once(' ')?;
    let key = rest.split(' ').next()?;
    let plain = key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'+' || b == b'/');
    (kind == "ssh-ed25519" && key.starts_with(HEAD) && key.len() == 68 && plain).then(|| format!("{kind} {key}"))
}
