//! A real client.

use crate::images::{docker_archive, layer};
use crate::{Lab, run};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn skopeo_pushes_and_pulls() {
    let lab = Lab::start();
    let archive = lab.dir.path().join("image.tar");
    docker_archive(&archive, &["docker.io/library/tiny:1"], &[layer("a", b"one"), layer("b", &vec![9; 2 << 20])]);
    let certs = lab.cert_dir().display().to_string();
    let source = format!("docker-archive:{}", archive.display());
    for format in ["oci", "v2s2"] {
        let remote = format!("docker://{}/library/tiny:{format}", lab.host());
        run("skopeo", &["copy", "--dest-cert-dir", &certs, "--format", format, &source, &remote]).await;
        let back = format!("oci:{}:x", lab.dir.path().join(format).display());
        run("skopeo", &["copy", "--src-cert-dir", &certs, &remote, &back]).await;
        let seen = run("skopeo", &["inspect", "--cert-dir", &certs, &remote]).await;
        let seen: serde_json::Value = serde_json::from_str(&seen).unwrap();
        assert_eq!(seen["Layers"].as_array().unwrap().len(), 2);
    }
    let verified = lab.store().verify().unwrap();
    assert!(verified.findings.is_empty() && verified.blobs > 4, "{verified:?}");
    let remote = format!("docker://{}/library/tiny:oci", lab.host());
    run("skopeo", &["delete", "--cert-dir", &certs, &remote]).await;
    let tags =
        run("skopeo", &["list-tags", "--cert-dir", &certs, &format!("docker://{}/library/tiny", lab.host())]).await;
    assert!(tags.contains("v2s2") && !tags.contains("oci"), "{tags}");
}
