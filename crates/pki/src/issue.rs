//! Certificate parameters: subjects, lives and usages in one place.

use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, KeyUsagePurpose,
    SanType,
};
use time::OffsetDateTime;

use crate::PkiError;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// How far before its making a certificate of ours begins to be valid, for guests with a slow clock.
pub const BACK_DATED: Duration = DAY;
/// Ten years, like the CAs that k3s makes for itself.
const CA_LIFE: Duration = Duration::from_secs(3650 * 24 * 60 * 60);
/// Below the 397 days that browsers still accept.
const LEAF_LIFE: Duration = Duration::from_secs(396 * 24 * 60 * 60);

/// What a leaf is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Usage {
    Server,
    Client,
}

/// Parameters of a self-signed CA that signs leaves only.
pub(crate) fn ca(common_name: &str, now: SystemTime) -> CertificateParams {
    let mut params = base(common_name, now, CA_LIFE);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

/// Parameters of a leaf.
pub(crate) fn leaf(common_name: &str, usage: Usage, now: SystemTime) -> CertificateParams {
    let mut params = base(common_name, now, LEAF_LIFE);
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![match usage {
        Usage::Server => ExtendedKeyUsagePurpose::ServerAuth,
        Usage::Client => ExtendedKeyUsagePurpose::ClientAuth,
    }];
    params.use_authority_key_identifier_extension = true;
    params
}

/// An address or host name as a subject alternative name.
pub(crate) fn san(name: &str) -> Result<SanType, PkiError> {
    match name.parse::<IpAddr>() {
        Ok(ip) => Ok(SanType::IpAddress(ip)),
        Err(_) => Ok(SanType::DnsName(name.try_into().map_err(|e| PkiError::generate(name, e))?)),
    }
}

fn base(common_name: &str, now: SystemTime, life: Duration) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, common_name);
    params.not_before = whole_seconds(now - BACK_DATED);
    params.not_after = whole_seconds(now - BACK_DATED + life);
    params
}

fn whole_seconds(at: SystemTime) -> OffsetDateTime {
    let at = OffsetDateTime::from(at);
    at.replace_nanosecond(0).unwrap_or(at)
}
