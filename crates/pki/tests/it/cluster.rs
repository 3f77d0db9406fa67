use std::fs;

use pki::{ClusterCa, JoinTokens};
use secrecy::ExposeSecret;
use steps::Problem;

#[cfg(unix)]
use crate::mode;
use crate::{DAY, now, openssl};

#[test]
fn cluster_files_are_those_that_k3s_looks_for() {
    let dir = tempfile::tempdir().unwrap();
    let cluster = ClusterCa::ensure(dir.path(), "lab", now()).unwrap();
    let files = cluster.files();
    let paths: Vec<_> = files.iter().map(|f| (f.path.as_str(), f.mode)).collect();
    assert_eq!(
        paths,
        [
            ("server-ca.crt", 0o644),
            ("server-ca.key", 0o600),
            ("client-ca.crt", 0o644),
            ("client-ca.key", 0o600),
            ("request-header-ca.crt", 0o644),
            ("request-header-ca.key", 0o600),
            ("etcd/peer-ca.crt", 0o644),
            ("etcd/peer-ca.key", 0o600),
            ("etcd/server-ca.crt", 0o644),
            ("etcd/server-ca.key", 0o600),
            ("service.key", 0o600),
        ]
    );
    for file in &files {
        let on_disk = fs::read_to_string(dir.path().join(&file.path)).unwrap();
        assert_eq!(&on_disk, file.content.expose_secret(), "{}", file.path);
        #[cfg(unix)]
        assert_eq!(mode(&dir.path().join(&file.path)), file.mode, "{}", file.path);
        if file.path.ends_with(".crt") {
            let path = dir.path().join(&file.path).display().to_string();
            let verified = openssl(&["verify", "-x509_strict", "-check_ss_sig", "-CAfile", &path, &path]);
            assert_eq!(verified.code, 0, "{}", verified.error_text());
        }
    }
    let again = ClusterCa::ensure(dir.path(), "lab", now()).unwrap();
    let bytes = |c: &ClusterCa| c.files().iter().map(|f| f.content.expose_secret().to_owned()).collect::<Vec<_>>();
    assert_eq!(bytes(&cluster), bytes(&again));
    assert!(!format!("{cluster:?}").contains("PRIVATE"));
    assert_eq!(ClusterCa::ensure(dir.path(), "lab", now() + 5000 * DAY).unwrap_err().id(), "AL-PKI-001");
}

#[test]
fn service_key_is_in_the_form_the_api_server_reads() {
    let dir = tempfile::tempdir().unwrap();
    ClusterCa::ensure(dir.path(), "lab", now()).unwrap();
    let path = dir.path().join("service.key").display().to_string();
    assert!(fs::read_to_string(&path).unwrap().starts_with("-----BEGIN EC PRIVATE KEY-----"));
    let checked = openssl(&["pkey", "-in", &path, "-check", "-noout"]);
    assert_eq!(checked.text().trim(), "Key is valid");
}

#[test]
fn the_admin_identity_is_signed_by_the_client_ca() {
    let dir = tempfile::tempdir().unwrap();
    let cluster = ClusterCa::ensure(dir.path(), "lab", now()).unwrap();
    let admin = cluster.admin("system:admin", now()).unwrap();
    let path = dir.path().join("admin.pem");
    fs::write(&path, admin.cert_pem()).unwrap();
    let ca = dir.path().join("client-ca.crt").display().to_string();
    let path = path.display().to_string();
    let verified = openssl(&["verify", "-x509_strict", "-purpose", "sslclient", "-CAfile", &ca, &path]);
    assert_eq!(verified.code, 0, "{}", verified.error_text());
    let subject = openssl(&["x509", "-noout", "-subject", "-in", &path]).text();
    assert!(subject.contains("CN = system:admin") && subject.contains("O = system:masters"), "{subject}");
}

#[test]
fn tokens_pin_the_exact_bytes_of_the_server_ca() {
    let dir = tempfile::tempdir().unwrap();
    let cluster = ClusterCa::ensure(dir.path(), "lab", now()).unwrap();
    let tokens = JoinTokens::ensure(dir.path(), cluster.server_ca()).unwrap();
    let path = dir.path().join("server-ca.crt").display().to_string();
    let sum = openssl(&["dgst", "-sha256", "-r", &path]).text();
    let hash = sum.split_whitespace().next().unwrap();
    let (server, agent) = (tokens.server.full().expose_secret(), tokens.agent.full().expose_secret());
    assert!(server.starts_with(&format!("K10{hash}::server:")));
    assert!(agent.starts_with(&format!("K10{hash}::node:")));
    assert_ne!(server.rsplit(':').next(), agent.rsplit(':').next());
    assert_eq!(server.rsplit(':').next().unwrap().len(), 64);
    assert_eq!(fs::read_to_string(dir.path().join("server-token")).unwrap(), format!("{server}\n"));
    #[cfg(unix)]
    assert_eq!(mode(&dir.path().join("agent-token")), 0o600);

    let again = JoinTokens::ensure(dir.path(), cluster.server_ca()).unwrap();
    assert_eq!(again.server.full().expose_secret(), server);
    let other = format!("{}\n", cluster.server_ca());
    assert_eq!(JoinTokens::ensure(dir.path(), &other).unwrap_err().id(), "AL-PKI-002");
    fs::write(dir.path().join("agent-token"), "short").unwrap();
    assert_eq!(JoinTokens::ensure(dir.path(), cluster.server_ca()).unwrap_err().id(), "AL-PKI-003");
    assert!(!format!("{tokens:?}").contains(server));
}
