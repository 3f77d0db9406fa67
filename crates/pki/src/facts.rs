//! What a certificate says, read with x509-parser (a reader independent of the writer).

use std::net::IpAddr;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::pem::parse_x509_pem;

use crate::PkiError;
use crate::issue::BACK_DATED;

/// The few facts of a certificate that decide whether it may be used.
#[derive(Debug)]
pub(crate) struct Facts {
    pub(crate) subject: String,
    pub(crate) not_before: SystemTime,
    pub(crate) not_after: SystemTime,
    pub(crate) public_key: Vec<u8>,
    pub(crate) is_ca: bool,
    /// Addresses and host names of the subject alternative name.
    pub(crate) names: Vec<String>,
    /// Permitted networks (address bytes, then mask bytes) and domains of the name constraints.
    pub(crate) permitted_networks: Vec<Vec<u8>>,
    pub(crate) permitted_domains: Vec<String>,
}

impl Facts {
    /// When the certificate was made, as it says itself: one of ours is dated back by a day.
    pub(crate) fn made(&self) -> SystemTime {
        self.not_before + BACK_DATED
    }
}

/// Reads the first certificate of a PEM file's text.
pub(crate) fn read(path: &Path, pem: &str) -> Result<Facts, PkiError> {
    with(path, pem, |certificate| {
        let mut facts = Facts {
            subject: certificate.subject().to_string(),
            not_before: moment(certificate.validity().not_before.timestamp()),
            not_after: moment(certificate.validity().not_after.timestamp()),
            public_key: certificate.public_key().raw.to_vec(),
            is_ca: certificate.is_ca(),
            names: Vec::new(),
            permitted_networks: Vec::new(),
            permitted_domains: Vec::new(),
        };
        if let Ok(Some(san)) = certificate.subject_alternative_name() {
            facts.names = san.value.general_names.iter().filter_map(name).collect();
        }
        if let Ok(Some(constraints)) = certificate.name_constraints() {
            for subtree in constraints.value.permitted_subtrees.iter().flatten() {
                match &subtree.base {
                    GeneralName::IPAddress(bytes) => facts.permitted_networks.push(bytes.to_vec()),
                    GeneralName::DNSName(domain) => facts.permitted_domains.push((*domain).to_owned()),
                    _ => {}
                }
            }
        }
        facts
    })
}

/// Whether `pem` was signed by the key of `issuer_pem`.
pub(crate) fn signed_by(path: &Path, pem: &str, issuer_pem: &str) -> Result<bool, PkiError> {
    with(path, issuer_pem, |issuer| with(path, pem, |leaf| leaf.verify_signature(Some(issuer.public_key())).is_ok()))?
}

/// Refuses a certificate that is not valid at `now`.
pub(crate) fn check_life(path: &Path, facts: &Facts, now: SystemTime) -> Result<(), PkiError> {
    if (facts.not_before..=facts.not_after).contains(&now) {
        return Ok(());
    }
    let (not_before, not_after) = (rfc3339(facts.not_before), rfc3339(facts.not_after));
    Err(PkiError::Expired { path: path.to_owned(), not_before, not_after })
}

/// A moment as people and logs write it.
pub(crate) fn rfc3339(at: SystemTime) -> String {
    OffsetDateTime::from(at).format(&Rfc3339).unwrap_or_default()
}

fn with<T>(path: &Path, pem: &str, use_it: impl FnOnce(&X509Certificate<'_>) -> T) -> Result<T, PkiError> {
    let (_, block) = parse_x509_pem(pem.as_bytes()).map_err(|_| PkiError::unreadable(path, "not PEM"))?;
    let certificate = block.parse_x509().map_err(|_| PkiError::unreadable(path, "not an X.509 certificate"))?;
    Ok(use_it(&certificate))
}

fn name(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(host) => Some((*host).to_owned()),
        GeneralName::IPAddress(bytes) => <[u8; 4]>::try_from(*bytes)
            .map(IpAddr::from)
            .or_else(|_| <[u8; 16]>::try_from(*bytes).map(IpAddr::from))
            .ok()
            .map(|ip| ip.to_string()),
        _ => None,
    }
}

fn moment(timestamp: i64) -> SystemTime {
    let away = Duration::from_secs(timestamp.unsigned_abs());
    if timestamp < 0 { UNIX_EPOCH - away } else { UNIX_EPOCH + away }
}
