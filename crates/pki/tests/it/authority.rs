use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use pki::{Authority, PkiError};
use rustls::client::WebPkiServerVerifier;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use steps::Problem;

#[cfg(unix)]
use crate::mode;
use crate::{DAY, names, now, openssl, spec};

/// What rustls says about `leaf` for the name `host` at `at`.
fn rustls_accepts(ca: &str, leaf: &str, host: &str, at: SystemTime) -> Result<(), rustls::Error> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(ca.as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
    let leaf = CertificateDer::from_pem_slice(leaf.as_bytes()).unwrap();
    let at = UnixTime::since_unix_epoch(at.duration_since(SystemTime::UNIX_EPOCH).unwrap());
    let host = ServerName::try_from(host.to_string()).unwrap();
    rustls::client::danger::ServerCertVerifier::verify_server_cert(&*verifier, &leaf, &[], &host, &[], at).map(|_| ())
}

/// What `openssl verify` says.
fn openssl_accepts(dir: &Path, ca: &str, leaf: &str, check: &[&str]) -> Result<(), String> {
    let (ca_path, leaf_path) = (dir.join("x-ca.pem"), dir.join("x-leaf.pem"));
    fs::write(&ca_path, ca).unwrap();
    fs::write(&leaf_path, leaf).unwrap();
    let (ca_path, leaf_path) = (ca_path.display().to_string(), leaf_path.display().to_string());
    let mut args = vec!["verify", "-x509_strict", "-purpose", "sslserver", "-CAfile", &ca_path];
    args.extend(check);
    args.push(&leaf_path);
    let output = openssl(&args);
    if output.code == 0 { Ok(()) } else { Err(output.error_text() + &output.text()) }
}

#[test]
fn both_verifiers_accept_the_leaf_and_only_for_its_address() {
    let dir = tempfile::tempdir().unwrap();
    let ca = Authority::ensure(dir.path(), &spec("192.168.6.0", 24), now()).unwrap();
    let leaf = ca.issue_server("registry", &names(&["192.168.6.1"]), now()).unwrap();
    rustls_accepts(ca.cert_pem(), leaf.cert_pem(), "192.168.6.1", now()).unwrap();
    openssl_accepts(dir.path(), ca.cert_pem(), leaf.cert_pem(), &["-verify_ip", "192.168.6.1"]).unwrap();
    rustls_accepts(ca.cert_pem(), leaf.cert_pem(), "192.168.6.2", now()).unwrap_err();
    openssl_accepts(dir.path(), ca.cert_pem(), leaf.cert_pem(), &["-verify_ip", "192.168.6.2"]).unwrap_err();
}

#[test]
fn both_verifiers_refuse_names_outside_of_the_constraints() {
    let dir = tempfile::tempdir().unwrap();
    let ca = Authority::ensure(dir.path(), &spec("192.168.6.0", 24), now()).unwrap();
    // The library refuses ...
    for outside in ["10.0.0.1", "example.com"] {
        let error = ca.issue_server("x", &names(&[outside]), now()).unwrap_err();
        assert_eq!(error.id(), "AL-PKI-006", "{outside}");
    }
    // ... and so do the verifiers when somebody signs with the CA's key and without the library.
    let key = rcgen::KeyPair::from_pem(&fs::read_to_string(dir.path().join("ca.key")).unwrap()).unwrap();
    let issuer = rcgen::Issuer::from_ca_cert_pem(ca.cert_pem(), key).unwrap();
    let rogue = |name: &str| {
        let mut params = rcgen::CertificateParams::new(names(&[name])).unwrap();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(rcgen::DnType::CommonName, "rogue leaf");
        params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        let (from, until) = (now() - DAY, now() + DAY);
        (params.not_before, params.not_after) = (from.into(), until.into());
        params.signed_by(&rcgen::KeyPair::generate().unwrap(), &issuer).unwrap().pem()
    };
    for (name, check) in [("10.0.0.1", "-verify_ip"), ("example.com", "-verify_hostname")] {
        let leaf = rogue(name);
        let error = rustls_accepts(ca.cert_pem(), &leaf, name, now()).unwrap_err();
        assert!(format!("{error:?}").contains("NameConstraint"), "{error:?}");
        let error = openssl_accepts(dir.path(), ca.cert_pem(), &leaf, &[check, name]).unwrap_err();
        assert!(error.contains("subtree"), "{error}");
    }
    let inside = rogue("192.168.6.77");
    rustls_accepts(ca.cert_pem(), &inside, "192.168.6.77", now()).unwrap();
}

#[test]
fn host_names_work_in_a_permitted_domain() {
    let dir = tempfile::tempdir().unwrap();
    let mut spec = spec("10.77.0.0", 24);
    spec.domains = names(&["lab.internal"]);
    let ca = Authority::ensure(dir.path(), &spec, now()).unwrap();
    let leaf = ca.issue_server("x", &names(&["registry.lab.internal", "10.77.0.1"]), now()).unwrap();
    rustls_accepts(ca.cert_pem(), leaf.cert_pem(), "registry.lab.internal", now()).unwrap();
    openssl_accepts(dir.path(), ca.cert_pem(), leaf.cert_pem(), &["-verify_hostname", "registry.lab.internal"])
        .unwrap();
    assert_eq!(ca.issue_server("x", &names(&["notlab.internal"]), now()).unwrap_err().id(), "AL-PKI-006");
}

#[test]
fn certificates_say_what_a_private_ca_should_say() {
    let dir = tempfile::tempdir().unwrap();
    let ca = Authority::ensure(dir.path(), &spec("192.168.6.0", 24), now()).unwrap();
    ca.ensure_server(dir.path(), "registry", &names(&["192.168.6.1"]), now()).unwrap();
    let text = |name: &str| {
        let path = dir.path().join(name).display().to_string();
        openssl(&["x509", "-noout", "-text", "-in", &path]).text()
    };
    let (ca_text, leaf_text) = (text("ca.crt"), text("registry.crt"));
    for wanted in [
        "X509v3 Basic Constraints: critical\n                CA:TRUE, pathlen:0",
        "X509v3 Key Usage: critical\n                Certificate Sign, CRL Sign",
        "X509v3 Name Constraints: critical",
        "IP:192.168.6.0/255.255.255.0",
        "Subject: CN = lab private CA",
    ] {
        assert!(ca_text.contains(wanted), "{wanted}\n{ca_text}");
    }
    for wanted in [
        "Extended Key Usage: \n                TLS Web Server Authentication\n",
        "Subject: CN = registry of lab private CA",
        "Issuer: CN = lab private CA",
        "Authority Key Identifier",
        "IP Address:192.168.6.1",
    ] {
        assert!(leaf_text.contains(wanted), "{wanted}\n{leaf_text}");
    }
    let leaf = fs::read_to_string(dir.path().join("registry.crt")).unwrap();
    // Back-dated by a day, and gone after 397.
    rustls_accepts(ca.cert_pem(), &leaf, "192.168.6.1", now() - DAY + DAY / 24).unwrap();
    rustls_accepts(ca.cert_pem(), &leaf, "192.168.6.1", now() - DAY - DAY / 24).unwrap_err();
    rustls_accepts(ca.cert_pem(), &leaf, "192.168.6.1", now() + 396 * DAY).unwrap_err();
}

#[test]
fn ensure_keeps_what_is_valid_and_makes_what_is_missing() {
    let dir = tempfile::tempdir().unwrap();
    let ensure = || {
        let ca = Authority::ensure(dir.path(), &spec("192.168.6.0", 24), now()).unwrap();
        ca.ensure_server(dir.path(), "registry", &names(&["192.168.6.1"]), now()).unwrap();
        ["ca.crt", "ca.key", "registry.crt", "registry.key"].map(|f| fs::read(dir.path().join(f)).unwrap())
    };
    let first = ensure();
    assert_eq!(first, ensure());
    fs::remove_file(dir.path().join("registry.crt")).unwrap();
    let third = ensure();
    assert_eq!(first[3], third[3], "the key outlives its certificate");
    assert_ne!(first[2], third[2]);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 4, "no temporary files stay");
}

#[test]
fn ensure_refuses_what_does_not_fit() {
    let dir = tempfile::tempdir().unwrap();
    let lab = spec("192.168.6.0", 24);
    let ca = Authority::ensure(dir.path(), &lab, now()).unwrap();
    ca.ensure_server(dir.path(), "registry", &names(&["192.168.6.1"]), now()).unwrap();
    let id = |r: Result<(), PkiError>| r.unwrap_err().id();
    let again = |spec: &pki::AuthoritySpec, at| Authority::ensure(dir.path(), spec, at).map(|_| ());
    assert_eq!(id(again(&lab, now() + 4000 * DAY)), "AL-PKI-001");
    assert_eq!(id(again(&lab, now() - 9 * DAY)), "AL-PKI-001");
    assert_eq!(id(again(&spec("10.77.0.0", 24), now())), "AL-PKI-002");
    let leaf = |sans: &[&str], at| ca.ensure_server(dir.path(), "registry", &names(sans), at).map(|_| ());
    assert_eq!(id(leaf(&["192.168.6.2"], now())), "AL-PKI-002");
    assert_eq!(id(leaf(&["192.168.6.1"], now() + 398 * DAY)), "AL-PKI-001");
    // Another authority's leaf.
    let other = tempfile::tempdir().unwrap();
    let foreign = Authority::ensure(other.path(), &lab, now()).unwrap();
    let error = foreign.ensure_server(dir.path(), "registry", &names(&["192.168.6.1"]), now()).unwrap_err();
    assert!(error.to_string().contains("not signed by"), "{error}");
    // A swapped key, a damaged one, none at all.
    fs::copy(other.path().join("ca.key"), dir.path().join("ca.key")).unwrap();
    assert_eq!(id(again(&lab, now())), "AL-PKI-002");
    fs::write(dir.path().join("ca.key"), "not a key").unwrap();
    assert_eq!(id(again(&lab, now())), "AL-PKI-003");
    fs::remove_file(dir.path().join("ca.key")).unwrap();
    assert_eq!(id(again(&lab, now())), "AL-PKI-003");
    fs::write(dir.path().join("ca.crt"), "-----BEGIN CERTIFICATE-----\n!!!").unwrap();
    fs::write(dir.path().join("ca.key"), fs::read(other.path().join("ca.key")).unwrap()).unwrap();
    assert_eq!(id(again(&lab, now())), "AL-PKI-003");
}

#[cfg(unix)]
#[test]
fn keys_are_private_and_never_printed() {
    let dir = tempfile::tempdir().unwrap();
    let inner = dir.path().join("pki");
    let ca = Authority::ensure(&inner, &spec("192.168.6.0", 24), now()).unwrap();
    let leaf = ca.ensure_server(&inner, "registry", &names(&["192.168.6.1"]), now()).unwrap();
    assert_eq!(mode(&inner), 0o700);
    assert_eq!(mode(&inner.join("ca.key")), 0o600);
    assert_eq!(mode(&inner.join("registry.key")), 0o600);
    assert!(!format!("{ca:?} {leaf:?}").contains("PRIVATE"));
}

#[test]
fn expiries_are_listed_soonest_first() {
    let dir = tempfile::tempdir().unwrap();
    let ca = Authority::ensure(dir.path(), &spec("192.168.6.0", 24), now()).unwrap();
    ca.ensure_server(&dir.path().join("leaf"), "registry", &names(&["192.168.6.1"]), now()).unwrap();
    let list = pki::expiries(dir.path(), now()).unwrap();
    let days: Vec<_> = list.iter().map(|e| e.days_left).collect();
    assert_eq!(days, [394, 3648]);
    assert_eq!(list[1].subject, "CN=lab private CA");
    assert_eq!(pki::expiries(dir.path(), now() + 400 * DAY).unwrap()[0].days_left, -6);
}
