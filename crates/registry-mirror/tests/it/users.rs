//! Basic authentication.

use registry_mirror::{ServeSpec, serve};

use crate::{Lab, serve_spec};

/// `htpasswd -nbB -C 5 anna secret`
const ANNA: &str = "anna:$2y$05$KsrAG1FPG3.ppJujbNiPs.xi8vtJCyVD4/jVCPI4gI7g3LmfNOxrG";

fn basic(name: &str, password: &str) -> String {
    use base64::Engine;
    format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(format!("{name}:{password}")))
}

/// Lets `anna` in with the password `secret`, and nobody else.
pub(crate) fn with_anna(spec: &mut ServeSpec) {
    let file = spec.store.with_file_name("htpasswd");
    std::fs::write(&file, format!("# people\n\n{ANNA}\n")).unwrap();
    spec.htpasswd = Some(file);
}

#[tokio::test]
async fn only_users_are_let_in() {
    let lab = Lab::start_as(with_anna);
    let ask = async |path: &str, who: Option<String>| {
        let headers: Vec<_> = who.iter().map(|w| ("authorization", w.as_str())).collect();
        lab.send("GET", path, &headers, vec![]).await
    };
    for who in [
        None,
        Some(basic("anna", "wrong")),
        Some(basic("bert", "secret")),
        Some("Bearer x".into()),
        Some("Basic !".into()),
    ] {
        let answer = ask("/v2/", who).await;
        assert_eq!(answer.refusal(), (401, "UNAUTHORIZED".into()));
        assert_eq!(answer.header("www-authenticate"), "Basic realm=\"registry\", charset=\"UTF-8\"");
        assert_eq!(answer.header("docker-distribution-api-version"), "registry/2.0");
    }
    for _ in 0..2 {
        assert_eq!(ask("/v2/", Some(basic("anna", "secret"))).await.status, 200);
    }
    assert_eq!(ask("/metrics", None).await.status, 401);
    assert_eq!(ask("/healthz", None).await.status, 200);
}

#[tokio::test]
async fn other_hashes_than_bcrypt_are_refused_at_the_start() {
    let dir = tempfile::tempdir().unwrap();
    let mut spec = serve_spec(dir.path());
    let file = dir.path().join("htpasswd");
    std::fs::write(&file, "anna:$apr1$oZ8.Ys2D$Pm6dNE8ItCmCmuVz6oZ8t/\n").unwrap();
    spec.htpasswd = Some(file);
    assert!(serve(&spec).unwrap_err().to_string().contains("htpasswd"));
}
