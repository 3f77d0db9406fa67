//! Ed25519 keys in OpenSSH's formats, for people and for machines.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use russh::keys::ssh_key::LineEnding;
use russh::keys::{Algorithm, HashAlg, PrivateKey};
use secrecy::SecretString;
use steps::Problem;

use crate::{FileError, write_file};

/// A host's own key: the same kind of key as a person's, made before the host exists so that it can be pinned.
pub type HostKey = KeyPair;

/// An Ed25519 key pair. `Debug` shows only the fingerprint.
///
/// ```
/// let key = machine::KeyPair::generate("lab").unwrap();
/// assert!(key.public_openssh().starts_with("ssh-ed25519 "));
/// ```
#[derive(Clone)]
pub struct KeyPair {
    pub(crate) private: Arc<PrivateKey>,
}

/// A key could not be made or read.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file holds no usable private key in OpenSSH's format.
    #[error("{}: not a usable key", path.display())]
    Unusable {
        /// The file; `-` for a key that never was in one.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The file could not be written.
    #[error(transparent)]
    File(#[from] FileError),
}

impl Problem for KeyError {
    fn id(&self) -> &'static str {
        match self {
            Self::Unusable { .. } => "AL-SSH-004",
            Self::File(file) => file.id(),
        }
    }

    fn args(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::Unusable { path, .. } => vec![("path", path.display().to_string())],
            Self::File(file) => file.args(),
        }
    }
}

fn unusable(path: &Path, source: impl std::error::Error + Send + Sync + 'static) -> KeyError {
    KeyError::Unusable { path: path.to_owned(), source: Box::new(source) }
}

impl KeyPair {
    /// A new key.
    pub fn generate(comment: &str) -> Result<Self, KeyError> {
        let fail = |e| unusable(Path::new("-"), e);
        let mut private = PrivateKey::random(&mut russh::keys::key::safe_rng(), Algorithm::Ed25519).map_err(fail)?;
        private.set_comment(comment);
        Ok(Self { private: Arc::new(private) })
    }

    /// Reads a private key in OpenSSH's format, without a passphrase.
    pub fn load(path: &Path) -> Result<Self, KeyError> {
        let text = std::fs::read_to_string(path).map_err(|e| unusable(path, e))?;
        let private = PrivateKey::from_openssh(&text).map_err(|e| unusable(path, e))?;
        Ok(Self { private: Arc::new(private) })
    }

    /// Loads the key at `path`, or makes one there (mode 0600, the public half beside it as `PATH.pub`). The flag says
    /// whether it is new. A file that is no key is an error, never overwritten.
    pub fn ensure(path: &Path, comment: &str) -> Result<(Self, bool), KeyError> {
        let (key, new) = if path.exists() { (Self::load(path)?, false) } else { (Self::generate(comment)?, true) };
        if new {
            let text = key.private.to_openssh(LineEnding::LF).map_err(|e| unusable(path, e))?;
            write_file(path, text.as_bytes(), 0o600)?;
        }
        let public = path.with_added_extension("pub");
        if new || !public.exists() {
            write_file(&public, format!("{}\n", key.public_openssh()).as_bytes(), 0o644)?;
        }
        Ok((key, new))
    }

    /// `ssh-ed25519 AAAA... comment`, one line without its end.
    pub fn public_openssh(&self) -> String {
        self.private.public_key().to_openssh().unwrap_or_default()
    }

    /// The private half in OpenSSH's PEM format.
    pub fn private_openssh(&self) -> SecretString {
        let text = self.private.to_openssh(LineEnding::LF).map(|t| t.to_string());
        SecretString::from(text.unwrap_or_default())
    }

    /// `SHA256:...`, as `ssh-keygen -l` prints it.
    pub fn fingerprint(&self) -> String {
        self.private.public_key().fingerprint(HashAlg::Sha256).to_string()
    }
}

impl std::fmt::Debug for KeyPair {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "KeyPair({})", self.fingerprint())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_made_once_and_then_loaded() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("keys/id_ed25519");
        let (first, new) = KeyPair::ensure(&path, "lab").unwrap();
        assert!(new);
        let (second, new) = KeyPair::ensure(&path, "lab").unwrap();
        assert!(!new);
        assert_eq!(first.public_openssh(), second.public_openssh());
        assert_eq!(
            std::fs::read_to_string(dir.path().join("keys/id_ed25519.pub")).unwrap().trim(),
            first.public_openssh()
        );
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }

    #[test]
    fn debug_shows_no_secret() {
        let key = KeyPair::generate("x").unwrap();
        assert_eq!(format!("{key:?}"), format!("KeyPair({})", key.fingerprint()));
    }

    #[test]
    fn a_file_that_is_no_key_is_kept_and_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("id");
        std::fs::write(&path, "not a key").unwrap();
        assert_eq!(KeyPair::ensure(&path, "lab").unwrap_err().id(), "AL-SSH-004");
        assert_eq!(std::fs::read(&path).unwrap(), b"not a key");
    }
}
