use registry_mirror::Digest;

use super::{digest_of, image};
use crate::Lab;

/// The codes that the specification knows.
const CODES: [&str; 14] = [
    "BLOB_UNKNOWN",
    "BLOB_UPLOAD_INVALID",
    "BLOB_UPLOAD_UNKNOWN",
    "DIGEST_INVALID",
    "MANIFEST_BLOB_UNKNOWN",
    "MANIFEST_INVALID",
    "MANIFEST_UNKNOWN",
    "NAME_INVALID",
    "NAME_UNKNOWN",
    "SIZE_INVALID",
    "UNAUTHORIZED",
    "DENIED",
    "UNSUPPORTED",
    "TOOMANYREQUESTS",
];

/// MUST | Error Codes | A JSON body of a 4xx answer has a list `errors` of `code`, `message` and `detail`
/// MUST | Error Codes | `code` is one of the specification's
/// SHOULD | Error Codes | `message` is for people
/// DIFFERS | err-name | A component of 300 characters is a 400, not a 500
#[tokio::test]
async fn errors_have_the_form_of_the_specification() {
    let lab = Lab::start();
    let digest = Digest::of(b"x");
    let long = "a".repeat(300);
    let body = image(&digest);
    let wrong = digest_of(&body).to_string().replace("sha256:", "sha512:");
    let cases = [
        ("GET", format!("/v2/a/blobs/{digest}")),
        ("GET", format!("/v2/a/blobs/{wrong}")),
        ("GET", "/v2/a/manifests/v1".to_owned()),
        ("GET", "/v2/a/manifests/.".to_owned()),
        ("GET", "/v2/A/manifests/v1".to_owned()),
        ("GET", format!("/v2/{long}/manifests/v1")),
        ("GET", "/v2/a/tags/list".to_owned()),
        ("GET", "/v2/a/tags/list?n=x".to_owned()),
        ("GET", "/v2/a/blobs/uploads/none".to_owned()),
        ("GET", "/v2/a/blobs/uploads/".to_owned()),
        ("GET", "/nothing".to_owned()),
        ("PUT", "/v2/a/manifests/v1".to_owned()),
        ("PUT", "/v2/_catalog".to_owned()),
        ("PATCH", "/v2/a/blobs/uploads/none".to_owned()),
        ("POST", "/v2/a/blobs/uploads/?digest=x".to_owned()),
        ("DELETE", "/v2/a/manifests/v1".to_owned()),
        ("BREW", "/v2/".to_owned()),
    ];
    for (method, path) in cases {
        let answer = lab.send(method, &path, &[], vec![]).await;
        assert!((400..500).contains(&answer.status), "{method} {path}: {}", answer.status);
        assert_eq!(answer.header("content-type"), "application/json", "{method} {path}");
        let errors = answer.json()["errors"].as_array().unwrap().clone();
        assert!(!errors.is_empty());
        for error in errors {
            assert!(CODES.contains(&error["code"].as_str().unwrap()), "{method} {path}: {error}");
            assert!(!error["message"].as_str().unwrap().is_empty() && error.get("detail").is_some());
        }
    }
}

/// MUST | Warnings | `Warning` headers have a form of their own; none are sent
#[tokio::test]
async fn there_are_no_warnings() {
    let lab = Lab::start();
    lab.image("a", "v1").await;
    for path in ["/v2/", "/v2/a/manifests/v1", "/v2/a/tags/list", "/v2/a/manifests/none"] {
        assert!(!lab.get(path).await.headers.contains_key("warning"));
    }
}
