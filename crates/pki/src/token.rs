//! k3s join tokens that pin the cluster's CA.

use std::path::Path;

use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

use crate::PkiError;
use crate::files::{self, SECRET};

/// A join token in k3s's secure form, `K10<hash of the CA>::<user>:<secret>` (k3s docs, `k3s token`): a machine that
/// joins with it checks the server's CA first, so that nobody can answer in the server's place.
#[derive(Debug, Clone)]
pub struct JoinToken {
    full: SecretString,
}

impl JoinToken {
    /// The token of `user` for the cluster whose `server/tls/server-ca.crt` holds exactly these bytes. k3s hashes
    /// the file, line ends and all, when it holds one certificate.
    ///
    /// ```
    /// use secrecy::ExposeSecret;
    /// let token = pki::JoinToken::new(b"certificate\n", "server", &"s3cret".into());
    /// assert!(token.full().expose_secret().ends_with("::server:s3cret"));
    /// ```
    pub fn new(server_ca: &[u8], user: &str, secret: &SecretString) -> Self {
        let full = format!("{}{user}:{}", prefix(server_ca), secret.expose_secret());
        Self { full: full.into() }
    }

    /// The whole token.
    pub fn full(&self) -> &SecretString {
        &self.full
    }
}

/// The two tokens of a cluster.
#[derive(Debug, Clone)]
pub struct JoinTokens {
    /// For servers. It gives full rights on the cluster: it stays on servers and on the host.
    pub server: JoinToken,
    /// For agents, with its own secret; it can join a worker and nothing more.
    pub agent: JoinToken,
}

impl JoinTokens {
    /// Reads `DIR/server-token` and `DIR/agent-token`, or makes them with new secrets.
    ///
    /// # Errors
    /// [`PkiError::Mismatch`] where a token was made for another CA.
    pub fn ensure(dir: &Path, server_ca: &str) -> Result<Self, PkiError> {
        Ok(Self {
            server: ensure(&dir.join("server-token"), server_ca, "server")?,
            agent: ensure(&dir.join("agent-token"), server_ca, "node")?,
        })
    }
}

fn ensure(path: &Path, server_ca: &str, user: &str) -> Result<JoinToken, PkiError> {
    let Some(text) = files::read(path)?.map(SecretString::from) else {
        let token = JoinToken::new(server_ca.as_bytes(), user, &random_secret()?);
        let line = SecretString::from(format!("{}\n", token.full.expose_secret()));
        files::write_new(path, line.expose_secret().as_bytes(), SECRET)?;
        return Ok(token);
    };
    let full = text.expose_secret().trim_end();
    if !full.starts_with("K10") || !full.contains("::") {
        return Err(PkiError::unreadable(path, "not a join token in its full form"));
    }
    match full.strip_prefix(&prefix(server_ca.as_bytes())).and_then(|rest| rest.split_once(':')) {
        Some((found, secret)) if found == user && !secret.is_empty() => Ok(JoinToken { full: full.to_owned().into() }),
        Some(_) => Err(PkiError::mismatch(path, format!("not a token of the user {user}"))),
        None => Err(PkiError::mismatch(path, "made for another certificate authority")),
    }
}

fn prefix(server_ca: &[u8]) -> String {
    format!("K10{}::", hex::encode(Sha256::digest(server_ca)))
}

fn random_secret() -> Result<SecretString, PkiError> {
    let mut bytes = [0u8; 32];
    getrandom::fill(&mut bytes).map_err(|e| PkiError::generate("join token", e))?;
    Ok(hex::encode(bytes).into())
}
