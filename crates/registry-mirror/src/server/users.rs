//! Who may use the registry: basic authentication against a file of bcrypt hashes.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use axum::http::{HeaderMap, StatusCode, header};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tokio::sync::Semaphore;

use super::answer::Refusal;
use crate::digest::{Algorithm, Hasher};
use crate::{Digest, RegistryError};

/// A hash of nobody's password: an unknown name takes as long as a known one.
const NOBODY: &str = "$2y$05$EGM2nhP8uio9Cx0gueLzRO8r55lIuFXa7xN7y0bAlkU/f04wkn9v.";

/// Names and hashes.
pub(super) struct Users {
    hashes: HashMap<String, String>,
    /// Salted digests of credentials that were right: bcrypt is slow by design, and every request brings them.
    right: Mutex<Vec<Digest>>,
    salt: [u8; 32],
    /// One at a time, or guessing would take the machine.
    turn: Arc<Semaphore>,
}

impl Users {
    /// Reads `user:hash` lines.
    pub(super) fn read(path: &Path) -> Result<Self, RegistryError> {
        let text = std::fs::read_to_string(path).map_err(RegistryError::file(path, "read"))?;
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        let mut hashes = HashMap::new();
        for line in lines {
            let bcrypt = |hash: &str| ["$2a$", "$2b$", "$2y$"].iter().any(|kind| hash.starts_with(kind));
            match line.split_once(':').filter(|(_, hash)| bcrypt(hash)) {
                Some((name, hash)) => drop(hashes.insert(name.to_owned(), hash.to_owned())),
                None => {
                    let why = std::io::Error::other("a line is not `user:` and a bcrypt hash (htpasswd -B)");
                    return Err(RegistryError::file(path, "read")(why));
                }
            }
        }
        let mut salt = [0; 32];
        getrandom::fill(&mut salt)
            .map_err(|e| RegistryError::file(path, "read")(std::io::Error::other(e.to_string())))?;
        Ok(Self { hashes, right: Mutex::default(), salt, turn: Arc::new(Semaphore::new(1)) })
    }

    /// Refuses who is none of them.
    pub(super) async fn check(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        let (name, password) = credentials(headers).ok_or_else(refusal)?;
        let mut hasher = Hasher::new(Algorithm::Sha256);
        for part in [&self.salt[..], name.as_bytes(), b":", password.as_bytes()] {
            hasher.update(part);
        }
        let digest = hasher.finish();
        if self.right.lock().unwrap_or_else(PoisonError::into_inner).contains(&digest) {
            return Ok(());
        }
        let hash = self.hashes.get(&name).map_or(NOBODY, String::as_str).to_owned();
        let turn = self.turn.clone().acquire_owned().await.map_err(|_| refusal())?;
        let known = self.hashes.contains_key(&name);
        let right = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            bcrypt::verify(password, &hash).unwrap_or(false)
        });
        if !right.await? || !known {
            return Err(refusal());
        }
        let mut kept = self.right.lock().unwrap_or_else(PoisonError::into_inner);
        if !kept.contains(&digest) {
            kept.push(digest);
        }
        Ok(())
    }
}

fn credentials(headers: &HeaderMap) -> Option<(String, String)> {
    let (scheme, encoded) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    let text = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (name, password) = text.split_once(':')?;
    scheme.eq_ignore_ascii_case("basic").then(|| (name.to_owned(), password.to_owned()))
}

fn refusal() -> Refusal {
    let refusal = Refusal::new(StatusCode::UNAUTHORIZED, "UNAUTHORIZED", "authentication required");
    refusal.with(header::WWW_AUTHENTICATE, "Basic realm=\"registry\", charset=\"UTF-8\"")
}
