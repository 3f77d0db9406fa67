//! The certificate authorities of a k3s cluster, made before its first start.

use std::path::Path;
use std::time::SystemTime;

use pem::{EncodeConfig, LineEnding};
use rcgen::{DnType, KeyPair};
use secrecy::{ExposeSecret, SecretString};

use crate::files::{self, PUBLIC, SECRET};
use crate::identity::paths;
use crate::issue::{self, Usage};
use crate::{Identity, PkiError, ec, facts};

/// Stems below `server/tls` and the subjects k3s itself would give them.
const AUTHORITIES: [(&str, &str); 5] = [
    ("server-ca", "server-ca"),
    ("client-ca", "client-ca"),
    ("request-header-ca", "request-header-ca"),
    ("etcd/peer-ca", "etcd-peer-ca"),
    ("etcd/server-ca", "etcd-server-ca"),
];
const SERVICE_KEY: &str = "service.key";

/// One file to put below k3s's `server/tls` before the first start.
#[derive(Debug, Clone)]
pub struct ClusterFile {
    /// Path below `server/tls`, with `/`.
    pub path: String,
    /// Content.
    pub content: SecretString,
    /// Unix permission bits.
    pub mode: u32,
}

/// The files that k3s keeps when it finds them in `server/tls` at its first start (k3s docs,
/// `k3s certificate rotate-ca`, "Using Custom CA Certificates"). Self-signed, EC P-256, ten years, back-dated a day.
#[derive(Debug, Clone)]
pub struct ClusterCa {
    authorities: Vec<(&'static str, Identity)>,
    made: SystemTime,
    service_key: SecretString,
}

impl ClusterCa {
    /// Reads the files below `dir`, or makes those that are missing.
    ///
    /// # Errors
    /// A [`PkiError`] where one of them is expired, damaged or without its key.
    pub fn ensure(dir: &Path, cluster: &str, now: SystemTime) -> Result<Self, PkiError> {
        let (mut authorities, mut made) = (Vec::new(), SystemTime::UNIX_EPOCH);
        for (stem, subject) in AUTHORITIES {
            let params = issue::ca(&format!("{cluster}-{subject}"), now);
            let stem_path = dir.join(stem);
            let (identity, facts) = Identity::ensure(&stem_path, |key| params.self_signed(key))?;
            let path = paths(&stem_path).0;
            facts::check_life(&path, &facts, now)?;
            if !facts.is_ca {
                return Err(PkiError::mismatch(&path, "not a certificate authority"));
            }
            authorities.push((stem, identity));
            made = made.max(facts.made());
        }
        Ok(Self { authorities, made, service_key: ensure_service_key(&dir.join(SERVICE_KEY))? })
    }

    /// When the last of them was made, by their certificates.
    pub fn made(&self) -> SystemTime {
        self.made
    }

    /// The exact bytes of `server-ca.crt`: the join token's hash is computed from them, and clients of the API trust
    /// them.
    pub fn server_ca(&self) -> &str {
        self.authorities[0].1.cert_pem()
    }

    /// Every file, in a fixed order.
    pub fn files(&self) -> Vec<ClusterFile> {
        let mut files = Vec::new();
        for (stem, identity) in &self.authorities {
            let cert = SecretString::from(identity.cert_pem());
            files.push(ClusterFile { path: format!("{stem}.crt"), content: cert, mode: PUBLIC });
            files.push(ClusterFile { path: format!("{stem}.key"), content: identity.key_pem().clone(), mode: SECRET });
        }
        files.push(ClusterFile { path: SERVICE_KEY.to_owned(), content: self.service_key.clone(), mode: SECRET });
        files
    }

    /// A client certificate with every right (`system:masters`), signed by the cluster's client CA, for a kubeconfig
    /// made without asking the cluster.
    ///
    /// # Errors
    /// [`PkiError::Generate`] where the certificate cannot be made.
    pub fn admin(&self, common_name: &str, now: SystemTime) -> Result<Identity, PkiError> {
        let mut params = issue::leaf(common_name, Usage::Client, now);
        params.distinguished_name.push(DnType::OrganizationName, "system:masters");
        let issuer = self.authorities[1].1.issuer(Path::new("client-ca.crt"))?;
        Identity::signed(&params, &issuer).map_err(|e| PkiError::generate(common_name, e))
    }
}

fn ensure_service_key(path: &Path) -> Result<SecretString, PkiError> {
    if let Some(pem) = files::read(path)? {
        if pem.contains("PRIVATE KEY-----") {
            return Ok(pem.into());
        }
        return Err(PkiError::unreadable(path, "not a private key"));
    }
    let key = KeyPair::generate().map_err(|e| PkiError::generate(SERVICE_KEY, e))?;
    let der = ec::sec1_der(key.serialized_der())
        .ok_or_else(|| PkiError::generate(SERVICE_KEY, "the key generator changed its layout"))?;
    let pem = SecretString::from(pem::encode_config(
        &pem::Pem::new("EC PRIVATE KEY", der),
        EncodeConfig::new().set_line_ending(LineEnding::LF),
    ));
    files::write_new(path, pem.expose_secret().as_bytes(), SECRET)?;
    Ok(pem)
}
