//! The administrator's first password: made here, kept in a file of its owner's, known to the cluster as a hash only.

use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretString};

use crate::KubeSphereError;

/// Letters and digits that nobody mistakes for each other. 24 of them are 137 bits.
const ALPHABET: &[u8] = b"ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789";
const LENGTH: usize = 24;
/// bcrypt's cost; a second of somebody's time for a thousand guesses, against 137 bits.
const COST: u32 = 10;

/// The password of `admin`.
#[derive(Debug, Clone)]
pub struct AdminPassword {
    clear: SecretString,
    hash: String,
    path: PathBuf,
}

impl AdminPassword {
    /// The file in a folder that keeps it.
    pub const FILE: &str = "kubesphere-admin";

    /// The password of this lab: the one in `dir`, or a new one, with whether it is new. The file is its owner's alone
    /// (0600); its first line is the password, its second the hash, so that a second run applies the same hash.
    pub fn ensure(dir: &Path) -> Result<(Self, bool), KubeSphereError> {
        let path = dir.join(Self::FILE);
        if let Some(kept) = Self::load(&path)? {
            return Ok((kept, false));
        }
        let clear = generate()?;
        let hash = hash(&clear)?;
        let text = format!("{}\n{hash}\n", clear.expose_secret());
        machine::write_file(&path, text.as_bytes(), 0o600)?;
        Ok((Self { clear, hash, path }, true))
    }

    /// The password that a file keeps, if there is one.
    pub fn load(path: &Path) -> Result<Option<Self>, KubeSphereError> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(KubeSphereError::Read { path: path.to_owned(), source }),
        };
        let mut lines = text.lines();
        let (Some(clear), Some(hash)) = (lines.next(), lines.next()) else { return Ok(None) };
        if clear.len() < 12 || !hash.starts_with("$2") {
            return Ok(None);
        }
        Ok(Some(Self { clear: clear.to_owned().into(), hash: hash.to_owned(), path: path.to_owned() }))
    }

    /// The password itself.
    pub fn clear(&self) -> &SecretString {
        &self.clear
    }

    /// Its bcrypt hash, which the cluster gets.
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// Where it is kept.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

fn generate() -> Result<SecretString, KubeSphereError> {
    let made = |e: &dyn std::fmt::Display| KubeSphereError::Made { what: format!("no random numbers: {e}") };
    // bytes past the last whole multiple of the alphabet's length would prefer its first letters
    let limit = 256 - 256 % ALPHABET.len();
    let mut text = String::new();
    while text.len() < LENGTH {
        let mut bytes = [0; 64];
        getrandom::fill(&mut bytes).map_err(|e| made(&e))?;
        let fair = bytes.iter().map(|b| usize::from(*b)).filter(|b| *b < limit);
        text.extend(fair.map(|b| char::from(ALPHABET[b % ALPHABET.len()])));
    }
    text.truncate(LENGTH);
    Ok(text.into())
}

fn hash(clear: &SecretString) -> Result<String, KubeSphereError> {
    bcrypt::hash(clear.expose_secret(), COST).map_err(|e| KubeSphereError::Made { what: format!("bcrypt: {e}") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn made_once_and_kept() {
        let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (first, new) = AdminPassword::ensure(one.path()).unwrap();
        assert!(new);
        let (again, new) = AdminPassword::ensure(one.path()).unwrap();
        assert!(!new);
        assert_eq!((first.clear().expose_secret(), first.hash()), (again.clear().expose_secret(), again.hash()));
        let (other, _) = AdminPassword::ensure(two.path()).unwrap();
        assert_ne!(first.clear().expose_secret(), other.clear().expose_secret());
        assert!(bcrypt::verify(first.clear().expose_secret(), first.hash()).unwrap());
        assert!(!bcrypt::verify("P@88w0rd", first.hash()).unwrap());
    }

    #[test]
    fn it_is_in_no_debug_text_and_its_file_is_private() {
        let dir = tempfile::tempdir().unwrap();
        let (password, _) = AdminPassword::ensure(dir.path()).unwrap();
        assert!(!format!("{password:?}").contains(password.clear().expose_secret()));
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = std::fs::metadata(password.path()).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
    }

    #[test]
    fn a_damaged_file_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(AdminPassword::FILE), "short\n").unwrap();
        assert!(AdminPassword::ensure(dir.path()).unwrap().1);
    }
}
