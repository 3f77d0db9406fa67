use serde_json::json;

use super::{IMAGE, descriptor, digest_of, image, index, sha512};
use crate::Lab;
use registry_mirror::Digest;

/// MUST | Push | A manifest whose `subject` is not there is accepted
/// MUST | Pushing Manifests with Subject | The answer has `OCI-Subject`
/// DIFFERS | ref-subject-header | `OCI-Subject` is there for images and indexes
#[tokio::test]
async fn a_subject_need_not_be_there() {
    let lab = Lab::start();
    let config = lab.blob("a", b"{}").await;
    let subject = Digest::of(b"somebody");
    for mut body in [image(&config), index(&[])] {
        body["subject"] = descriptor(IMAGE, &subject, 8);
        let answer = lab.manifest("a", &digest_of(&body).to_string(), &body).await;
        assert_eq!((answer.status, answer.header("oci-subject")), (201, subject.to_string().as_str()));
    }
    let (plain, _) = lab.image("a", "plain").await;
    assert!(!lab.manifest("a", "plain", &plain).await.headers.contains_key("oci-subject"));
}

/// MUST | Push | A manifest that is refused for a blob that is not there answers `MANIFEST_BLOB_UNKNOWN`
/// DIFFERS | non-distributable | Layers that are kept elsewhere need not be there, nor the manifests of an index
#[tokio::test]
async fn a_missing_blob_is_named() {
    let lab = Lab::start();
    let absent = Digest::of(b"absent");
    let answer = lab.manifest("a", "v1", &image(&absent)).await;
    assert_eq!(answer.refusal(), (400, "MANIFEST_BLOB_UNKNOWN".into()));
    assert!(String::from_utf8(answer.body).unwrap().contains(&absent.to_string()));
    let mut body = image(&lab.blob("a", b"{}").await);
    body["layers"] = json!([descriptor("application/vnd.oci.image.layer.nondistributable.v1.tar+gzip", &absent, 9)]);
    assert_eq!(lab.manifest("a", "v1", &body).await.status, 201);
    assert_eq!(lab.manifest("a", "v2", &index(&[&absent])).await.status, 201);
}

/// SHOULD | Pushing Manifests | Parameters of `Content-Type` are ignored
#[tokio::test]
async fn parameters_of_the_type_are_ignored() {
    let lab = Lab::start();
    let config = lab.blob("a", b"{}").await;
    let body = image(&config).to_string().into_bytes();
    let headers = [("content-type", "application/vnd.oci.image.manifest.v1+json; charset=utf-8")];
    assert_eq!(lab.send("PUT", "/v2/a/manifests/v1", &headers, body).await.status, 201);
    assert_eq!(lab.get("/v2/a/manifests/v1").await.header("content-type"), IMAGE);
}

/// MUST | Pushing Manifests | A manifest is stored byte for byte
/// MUST | Pushing Manifests | Success answers 201 with the `Location` of a manifest that can be pulled
/// MUST | Pushing Manifests | `Docker-Content-Digest` is the digest that the client gave
#[tokio::test]
async fn manifests_are_kept_byte_for_byte() {
    let lab = Lab::start();
    let config = lab.blob("a", b"{}").await;
    let odd = format!(
        "\n {{ \"layers\":[ ],\t\"schemaVersion\" : 2, \"config\": {} , \"x\": \"\\u00e4\" }}\n",
        image(&config)["config"]
    );
    let bytes = odd.into_bytes();
    for digest in [Digest::of(&bytes), sha512(&bytes)] {
        for reference in [digest.to_string(), "v1".to_owned()] {
            let path = format!("/v2/a/manifests/{reference}");
            let put = lab.send("PUT", &path, &[("content-type", IMAGE)], bytes.clone()).await;
            assert_eq!(put.status, 201);
            assert_eq!(lab.get(put.header("location")).await.body, bytes);
            if reference != "v1" {
                assert_eq!(put.header("docker-content-digest"), reference);
                assert_eq!(lab.get(&path).await.header("docker-content-digest"), reference);
            }
        }
    }
}

/// MAY | Pushing Manifests | The list of blobs may be empty
#[tokio::test]
async fn a_manifest_may_name_no_blobs() {
    let lab = Lab::start();
    assert_eq!(lab.manifest("a", "v1", &index(&[])).await.status, 201);
    lab.image("a", "v2").await;
}

/// SHOULD | Pushing Manifests | There is a limit on a manifest's size; beyond it the answer is 413
/// SHOULD | Pushing Manifests | Manifests of 4 megabytes are accepted
#[tokio::test]
async fn manifests_have_a_largest_size() {
    let lab = Lab::start();
    let config = lab.blob("a", b"{}").await;
    let mut body = image(&config);
    body["annotations"] = json!({ "x": "y".repeat(4_000_000) });
    assert_eq!(lab.manifest("a", "v1", &body).await.status, 201);
    body["annotations"] = json!({ "x": "y".repeat(4 << 20) });
    assert_eq!(lab.manifest("a", "v2", &body).await.refusal(), (413, "SIZE_INVALID".into()));
}

/// MUST | Pushing Manifests | A digest that is not the manifest's is refused
/// DIFFERS | push-man-bad-digest | The answer to a wrong or malformed digest is 400
#[tokio::test]
async fn a_manifest_has_the_digest_of_its_path() {
    let lab = Lab::start();
    let body = image(&lab.blob("a", b"{}").await);
    let wrong = lab.manifest("a", &Digest::of(b"x").to_string(), &body).await;
    assert_eq!(wrong.refusal(), (400, "DIGEST_INVALID".into()));
    for bad in ["sha256:1", "sha512:1", "sha999:1", ":1"] {
        assert_eq!(lab.manifest("a", bad, &body).await.status, 400, "{bad}");
    }
    for bad in ["", "nonsense", "[]", "{\"schemaVersion\":2}", "{\"schemaVersion\":1,\"config\":{}}"] {
        let put = lab.send("PUT", "/v2/a/manifests/v1", &[("content-type", IMAGE)], bad.into()).await;
        assert_eq!(put.refusal(), (400, "MANIFEST_INVALID".into()), "{bad}");
    }
}
