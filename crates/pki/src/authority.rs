//! The lab's own certificate authority, bound to the lab's network.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rcgen::{CidrSubnet, GeneralSubtree, NameConstraints};

use crate::facts::{self, Facts};
use crate::identity::{paths, server_params};
use crate::{Identity, PkiError, issue};

/// What an authority is called and what it may certify.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthoritySpec {
    /// Name of the lab; the subject becomes `NAME private CA`.
    pub name: String,
    /// Networks (address, prefix length) it may certify addresses of.
    pub networks: Vec<(IpAddr, u8)>,
    /// Domains it may certify host names in; none at all when empty.
    pub domains: Vec<String>,
}

/// A certificate authority with critical name constraints: even with its key stolen, nobody can certify a name
/// outside of the lab (RFC 5280 §4.2.1.10; enforced by rustls, OpenSSL and Go).
#[derive(Debug, Clone)]
pub struct Authority {
    identity: Identity,
    path: PathBuf,
    made: SystemTime,
    subject: String,
    networks: Vec<Vec<u8>>,
    domains: Vec<String>,
}

impl Authority {
    /// Reads `DIR/ca.crt` and `DIR/ca.key`, or makes them.
    ///
    /// # Errors
    /// A [`PkiError`] where the files are expired, damaged, or made for other networks than `spec` asks for.
    pub fn ensure(dir: &Path, spec: &AuthoritySpec, now: SystemTime) -> Result<Self, PkiError> {
        let stem = dir.join("ca");
        let path = paths(&stem).0;
        let mut params = issue::ca(&format!("{} private CA", spec.name), now);
        params.name_constraints = Some(constraints(spec));
        let (identity, facts) = Identity::ensure(&stem, |key| params.self_signed(key))?;
        let authority = Self::checked(identity, facts, path, now)?;
        for (address, prefix) in &spec.networks {
            if !authority.networks.contains(&subnet_bytes(*address, *prefix)) {
                return Err(PkiError::mismatch(&authority.path, format!("does not cover {address}/{prefix}")));
            }
        }
        if let Some(domain) = spec.domains.iter().find(|d| !authority.domains.contains(d)) {
            return Err(PkiError::mismatch(&authority.path, format!("does not cover {domain}")));
        }
        Ok(authority)
    }

    /// The CA certificate, PEM: what clients must trust.
    pub fn cert_pem(&self) -> &str {
        self.identity.cert_pem()
    }

    /// When it was made, by its certificate: what copies and restores do to the file does not matter.
    pub fn made(&self) -> SystemTime {
        self.made
    }

    /// Where the CA certificate is.
    pub fn cert_path(&self) -> &Path {
        &self.path
    }

    /// A new server certificate for addresses and host names, kept nowhere.
    ///
    /// # Errors
    /// [`PkiError::Outside`] for a name that the constraints rule out.
    pub fn issue_server(&self, common_name: &str, names: &[String], now: SystemTime) -> Result<Identity, PkiError> {
        self.refuse_outside(names)?;
        let params = server_params(common_name, names, now)?;
        let issuer = self.identity.issuer(&self.path)?;
        Identity::signed(&params, &issuer).map_err(|e| PkiError::generate(common_name, e))
    }

    /// Reads the server certificate `DIR/NAME.crt` with its key, or makes them.
    ///
    /// # Errors
    /// A [`PkiError`] where the certificate is expired, from another authority, or lacks one of `names`.
    pub fn ensure_server(
        &self,
        dir: &Path,
        name: &str,
        names: &[String],
        now: SystemTime,
    ) -> Result<Identity, PkiError> {
        self.refuse_outside(names)?;
        let stem = dir.join(name);
        let path = paths(&stem).0;
        let params = server_params(&format!("{name} of {}", self.subject), names, now)?;
        let issuer = self.identity.issuer(&self.path)?;
        let (identity, facts) = Identity::ensure(&stem, |key| params.signed_by(key, &issuer))?;
        facts::check_life(&path, &facts, now)?;
        if let Some(missing) = names.iter().find(|n| !facts.names.contains(n)) {
            return Err(PkiError::mismatch(&path, format!("does not cover {missing}")));
        }
        if !facts::signed_by(&path, identity.cert_pem(), self.cert_pem())? {
            return Err(PkiError::mismatch(&path, format!("not signed by {}", self.path.display())));
        }
        Ok(identity)
    }

    fn checked(identity: Identity, facts: Facts, path: PathBuf, now: SystemTime) -> Result<Self, PkiError> {
        facts::check_life(&path, &facts, now)?;
        if !facts.is_ca {
            return Err(PkiError::mismatch(&path, "not a certificate authority"));
        }
        let subject = facts.subject.trim_start_matches("CN=").to_owned();
        Ok(Self {
            identity,
            path,
            made: facts.made(),
            subject,
            networks: facts.permitted_networks,
            domains: facts.permitted_domains,
        })
    }

    fn refuse_outside(&self, names: &[String]) -> Result<(), PkiError> {
        let inside = |name: &String| match name.parse::<IpAddr>() {
            Ok(ip) => self.networks.iter().any(|n| contains(n, ip)),
            Err(_) => self.domains.iter().any(|d| name == d || name.ends_with(&format!(".{d}"))),
        };
        match names.iter().find(|n| !inside(n)) {
            None => Ok(()),
            Some(name) => Err(PkiError::Outside { name: name.clone(), authority: self.subject.clone() }),
        }
    }
}

fn constraints(spec: &AuthoritySpec) -> NameConstraints {
    let networks = spec.networks.iter().map(|(a, p)| GeneralSubtree::IpAddress(subnet(*a, *p)));
    let domains = spec.domains.iter().map(|d| GeneralSubtree::DnsName(d.clone()));
    // A kind of name that is not mentioned is not constrained: without domains, the empty name (= every host name)
    // is excluded; without networks, every address is.
    let mut excluded = Vec::new();
    if spec.domains.is_empty() {
        excluded.push(GeneralSubtree::DnsName(String::new()));
    }
    if spec.networks.is_empty() {
        excluded.push(GeneralSubtree::IpAddress(CidrSubnet::V4([0; 4], [0; 4])));
        excluded.push(GeneralSubtree::IpAddress(CidrSubnet::V6([0; 16], [0; 16])));
    }
    NameConstraints { permitted_subtrees: networks.chain(domains).collect(), excluded_subtrees: excluded }
}

fn subnet(address: IpAddr, prefix: u8) -> CidrSubnet {
    match CidrSubnet::from_addr_prefix(address, prefix) {
        CidrSubnet::V4(a, m) => CidrSubnet::V4(std::array::from_fn(|i| a[i] & m[i]), m),
        CidrSubnet::V6(a, m) => CidrSubnet::V6(std::array::from_fn(|i| a[i] & m[i]), m),
    }
}

fn subnet_bytes(address: IpAddr, prefix: u8) -> Vec<u8> {
    match subnet(address, prefix) {
        CidrSubnet::V4(a, m) => [a, m].concat(),
        CidrSubnet::V6(a, m) => [a, m].concat(),
    }
}

/// Whether a subtree (address bytes, then mask bytes) holds `ip`.
fn contains(subtree: &[u8], ip: IpAddr) -> bool {
    let octets = match ip {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    };
    let (network, mask) = subtree.split_at(subtree.len() / 2);
    network.len() == octets.len() && octets.iter().zip(mask).zip(network).all(|((o, m), n)| o & m == n & m)
}
