//! A file that was verified.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::ArtifactError;

/// A file whose content was hashed and found right. There is no other way to make one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Artifact {
    path: PathBuf,
    size: u64,
    sha256: String,
}

impl Artifact {
    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// SHA-256, 64 hexadecimal digits.
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    pub(crate) fn verified(path: &Path, size: u64, sha256: String) -> Self {
        Self { path: path.to_owned(), size, sha256 }
    }
}

/// Hashes a file where it lies. `name` says what it is, for messages.
///
/// # Errors
/// [`ArtifactError::Missing`], or [`ArtifactError::WrongDigest`] where `sha256` is given and is another one.
pub fn check(name: &str, path: &Path, sha256: Option<&str>) -> Result<Artifact, ArtifactError> {
    let mut file = open(name, path)?;
    let (got, size) = hash(&mut file).map_err(ArtifactError::file(path, "read"))?;
    compare(name, &path.display().to_string(), sha256, &got)?;
    Ok(Artifact::verified(path, size, got))
}

pub(crate) fn compare(name: &str, origin: &str, wanted: Option<&str>, got: &str) -> Result<(), ArtifactError> {
    match wanted {
        Some(wanted) if !wanted.eq_ignore_ascii_case(got) => Err(ArtifactError::WrongDigest {
            name: name.to_owned(),
            origin: origin.to_owned(),
            wanted: wanted.to_ascii_lowercase(),
            got: got.to_owned(),
        }),
        _ => Ok(()),
    }
}

pub(crate) fn open(name: &str, path: &Path) -> Result<File, ArtifactError> {
    let file = File::open(path).map_err(|e| match e.kind() {
        ErrorKind::NotFound => ArtifactError::Missing { name: name.to_owned(), path: path.to_owned() },
        _ => ArtifactError::file(path, "read")(e),
    })?;
    match file.metadata().is_ok_and(|m| m.is_file()) {
        true => Ok(file),
        false => Err(ArtifactError::file(path, "read")(ErrorKind::IsADirectory.into())),
    }
}

/// SHA-256 and size of what is left to read.
pub(crate) fn hash(reader: &mut impl Read) -> std::io::Result<(String, u64)> {
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 18];
    let mut size = 0;
    loop {
        match reader.read(&mut buffer)? {
            0 => return Ok((hex::encode(hasher.finalize()), size)),
            n => {
                hasher.update(&buffer[..n]);
                size += n as u64;
            }
        }
    }
}

/// The SHA-256 of some bytes.
pub(crate) fn sha256_hex(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}
