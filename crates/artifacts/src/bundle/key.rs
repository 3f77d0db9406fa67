//! The pair of keys: one signs, the other is what the importer has. Ed25519 (RFC 8032), in PEM.

use std::fmt;
use std::path::{Path, PathBuf};

use ring::rand::SystemRandom;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};

use super::BundleError;
use crate::artifact::sha256_hex;

const PRIVATE: &str = "PRIVATE KEY";
const PUBLIC: &str = "PUBLIC KEY";
const SIGNATURE: &str = "AIRBUNDLE SIGNATURE";
/// SubjectPublicKeyInfo of an Ed25519 key up to the key itself (RFC 8410).
const SPKI: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// Signs manifests. Its bytes are nowhere but in its file.
pub struct SigningKey {
    pair: Ed25519KeyPair,
    pkcs8: Vec<u8>,
}

/// Knows the signatures of its [`SigningKey`].
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey([u8; 32]);

/// Whose bundles are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trust {
    /// Those that this key vouches for.
    Key(PublicKey),
    /// Anybody's. What is imported says so.
    SkipSignature,
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.public().fingerprint())
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", self.fingerprint())
    }
}

impl SigningKey {
    /// A new key.
    ///
    /// # Errors
    /// [`BundleError::Key`] where the system has no randomness.
    pub fn generate() -> Result<Self, BundleError> {
        let here = Path::new("a new key");
        let made = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new());
        Self::from_pkcs8(here, made.map_err(|_| bad(here, "the system gives no random numbers"))?.as_ref())
    }

    /// Reads a key file: PKCS #8 in PEM, as [`SigningKey::save`] and `openssl genpkey -algorithm ed25519` write it.
    ///
    /// # Errors
    /// [`BundleError::Key`] for another file, [`BundleError::Artifact`] for one that cannot be read.
    pub fn load(path: &Path) -> Result<Self, BundleError> {
        Self::from_pkcs8(path, &contents(path, PRIVATE)?)
    }

    /// Writes the key to `path`, readable by its owner only, and the public one beside it as `PATH.pub`, whose path it
    /// gives back. A key that is there is never replaced.
    ///
    /// # Errors
    /// [`BundleError::Key`] where there is a file already, [`BundleError::Artifact`] where it cannot be written.
    pub fn save(&self, path: &Path) -> Result<PathBuf, BundleError> {
        let public = public_path(path);
        if let Some(there) = [path, &public].into_iter().find(|p| p.exists()) {
            return Err(bad(there, "there is a file already, and keys are never replaced"));
        }
        write(path, &pem_of(PRIVATE, self.pkcs8.clone()), 0o600)?;
        write(&public, &self.public().pem(), 0o644)?;
        Ok(public)
    }

    /// What others check with.
    pub fn public(&self) -> PublicKey {
        let mut key = [0; 32];
        key.copy_from_slice(self.pair.public_key().as_ref());
        PublicKey(key)
    }

    /// The signature file's text.
    pub(super) fn sign(&self, manifest: &[u8]) -> String {
        let mut signature = pem::Pem::new(SIGNATURE, self.pair.sign(manifest).as_ref());
        // 16 hexadecimal digits: always a valid header
        let _ = signature.headers_mut().add("Key", &self.public().fingerprint());
        pem::encode_config(&signature, line_feeds())
    }

    fn from_pkcs8(path: &Path, pkcs8: &[u8]) -> Result<Self, BundleError> {
        let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(pkcs8);
        let pair = pair.map_err(|_| bad(path, "not an Ed25519 private key"))?;
        Ok(Self { pair, pkcs8: pkcs8.to_owned() })
    }
}

impl PublicKey {
    /// Reads a public key file, SubjectPublicKeyInfo in PEM.
    ///
    /// # Errors
    /// [`BundleError::Key`] for another file, [`BundleError::Artifact`] for one that cannot be read.
    pub fn load(path: &Path) -> Result<Self, BundleError> {
        let der = contents(path, PUBLIC)?;
        let key = der.strip_prefix(&SPKI).and_then(|key| <[u8; 32]>::try_from(key).ok());
        key.map(Self).ok_or_else(|| bad(path, "not an Ed25519 public key"))
    }

    /// Its text.
    pub fn pem(&self) -> String {
        pem_of(PUBLIC, [&SPKI[..], &self.0].concat())
    }

    /// The first 16 hexadecimal digits of its SHA-256.
    pub fn fingerprint(&self) -> String {
        sha256_hex(&self.0)[..16].to_owned()
    }

    /// Whether this key made the signature; why not, in words.
    pub(super) fn check(&self, manifest: &[u8], signature: &str) -> Result<(), String> {
        let pem = pem::parse(signature).ok().filter(|p| p.tag() == SIGNATURE).ok_or("the signature file holds none")?;
        if UnparsedPublicKey::new(&ED25519, &self.0).verify(manifest, pem.contents()).is_ok() {
            return Ok(());
        }
        let ours = self.fingerprint();
        match pem.headers().get("Key") {
            Some(key) if *key != ours => Err(format!("signed by another key than {ours}, which is the trusted one")),
            _ => Err(format!("the signature of key {ours} does not fit: the manifest was changed")),
        }
    }
}

fn public_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".pub");
    name.into()
}

fn bad(path: &Path, why: &str) -> BundleError {
    BundleError::Key { path: path.to_owned(), why: why.to_owned() }
}

fn line_feeds() -> pem::EncodeConfig {
    pem::EncodeConfig::new().set_line_ending(pem::LineEnding::LF)
}

fn pem_of(tag: &str, der: Vec<u8>) -> String {
    pem::encode_config(&pem::Pem::new(tag, der), line_feeds())
}

fn contents(path: &Path, tag: &str) -> Result<Vec<u8>, BundleError> {
    let text = std::fs::read_to_string(path).map_err(BundleError::file(path, "read"))?;
    let pem = pem::parse(text).ok().filter(|p| p.tag() == tag);
    pem.map(pem::Pem::into_contents).ok_or_else(|| bad(path, &format!("it does not hold a {}", tag.to_lowercase())))
}

fn write(path: &Path, text: &str, mode: u32) -> Result<(), BundleError> {
    let written = machine::write_file(path, text.as_bytes(), mode);
    written.map(drop).map_err(|e| BundleError::file(path, "write")(e.source))
}
