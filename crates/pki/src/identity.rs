//! A certificate with its key.

use std::path::{Path, PathBuf};

use rcgen::{Issuer, KeyPair, PublicKeyData};
use secrecy::{ExposeSecret, SecretString};

use crate::facts::{self, Facts};
use crate::files::{self, PUBLIC, SECRET};
use crate::{PkiError, issue};

/// A certificate and its private key, both PEM. `Debug` never shows the key.
#[derive(Debug, Clone)]
pub struct Identity {
    cert_pem: String,
    key_pem: SecretString,
}

impl Identity {
    /// The certificate, PEM.
    pub fn cert_pem(&self) -> &str {
        &self.cert_pem
    }

    /// The private key, PKCS#8 PEM.
    pub fn key_pem(&self) -> &SecretString {
        &self.key_pem
    }

    /// Signs a certificate for a new key.
    pub(crate) fn signed(
        params: &rcgen::CertificateParams,
        issuer: &Issuer<'_, KeyPair>,
    ) -> Result<Self, rcgen::Error> {
        let key = KeyPair::generate()?;
        let cert = params.signed_by(&key, issuer)?;
        Ok(Self { cert_pem: cert.pem(), key_pem: key.serialize_pem().into() })
    }

    /// Reads `STEM.crt` and `STEM.key`; makes what is missing with `make`, which gets the key to certify.
    /// A certificate without its key is refused: only the user can know whether the key is gone for good.
    pub(crate) fn ensure(
        stem: &Path,
        make: impl FnOnce(&KeyPair) -> Result<rcgen::Certificate, rcgen::Error>,
    ) -> Result<(Self, Facts), PkiError> {
        let (cert_path, key_path) = paths(stem);
        let (cert, key) = (files::read(&cert_path)?, files::read(&key_path)?.map(SecretString::from));
        let generate = |e: rcgen::Error| PkiError::generate(&stem.display().to_string(), e);
        let (pair, key_pem) = match key {
            Some(pem) => {
                let pair = KeyPair::from_pem(pem.expose_secret());
                (pair.map_err(|_| PkiError::unreadable(&key_path, "not a PKCS#8 private key"))?, pem)
            }
            None if cert.is_some() => return Err(PkiError::unreadable(&key_path, "missing beside its certificate")),
            None => {
                let pair = KeyPair::generate().map_err(generate)?;
                let pem = SecretString::from(pair.serialize_pem());
                files::write_new(&key_path, pem.expose_secret().as_bytes(), SECRET)?;
                (pair, pem)
            }
        };
        let cert_pem = match cert {
            Some(pem) => pem,
            None => {
                let pem = make(&pair).map_err(generate)?.pem();
                files::write_new(&cert_path, pem.as_bytes(), PUBLIC)?;
                pem
            }
        };
        let facts = facts::read(&cert_path, &cert_pem)?;
        if facts.public_key != pair.subject_public_key_info() {
            return Err(PkiError::mismatch(&cert_path, format!("not the certificate of {}", key_path.display())));
        }
        Ok((Self { cert_pem, key_pem }, facts))
    }

    /// The issuer that signs with this identity.
    pub(crate) fn issuer(&self, path: &Path) -> Result<Issuer<'static, KeyPair>, PkiError> {
        let key = KeyPair::from_pem(self.key_pem.expose_secret());
        let key = key.map_err(|_| PkiError::unreadable(path, "not a PKCS#8 private key"))?;
        Issuer::from_ca_cert_pem(&self.cert_pem, key).map_err(|e| PkiError::unreadable(path, e))
    }
}

/// The certificate's and the key's file of a stem.
pub(crate) fn paths(stem: &Path) -> (PathBuf, PathBuf) {
    let with = |ending: &str| {
        let mut name = stem.as_os_str().to_owned();
        name.push(ending);
        PathBuf::from(name)
    };
    (with(".crt"), with(".key"))
}

/// Parameters of the subject `common_name` with all of `names`.
pub(crate) fn server_params(
    common_name: &str,
    names: &[String],
    now: std::time::SystemTime,
) -> Result<rcgen::CertificateParams, PkiError> {
    let mut params = issue::leaf(common_name, issue::Usage::Server, now);
    params.subject_alt_names = names.iter().map(|n| issue::san(n)).collect::<Result<_, _>>()?;
    Ok(params)
}
