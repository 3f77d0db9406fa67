use serde_json::{Value, json};

use super::{IMAGE, INDEX, descriptor, digest_of, image, index};
use crate::Lab;
use registry_mirror::Digest;

fn about(mut body: Value, subject: &Digest) -> Value {
    body["subject"] = descriptor(IMAGE, subject, 1);
    body
}

async fn put(lab: &Lab, body: &Value) -> Digest {
    let digest = digest_of(body);
    assert_eq!(lab.manifest("a", &digest.to_string(), body).await.status, 201);
    digest
}

/// MUST | Listing Referrers | The request answers 200 and never 404
/// MUST | Listing Referrers | Without referrers the list is empty
/// MUST | Listing Referrers | The body is an image index, and `Content-Type` says so
/// DIFFERS | ref-empty | There is a list
#[tokio::test]
async fn there_is_always_a_list() {
    let lab = Lab::start();
    lab.image("a", "v1").await;
    for repository in ["a", "nobody"] {
        let answer = lab.get(&format!("/v2/{repository}/referrers/{}", Digest::of(b"x"))).await;
        assert_eq!((answer.status, answer.header("content-type")), (200, INDEX));
        assert_eq!(answer.json(), json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": [] }));
    }
}

/// MUST | Listing Referrers | An invalid digest answers 400
/// DIFFERS | ref-bad | It does
#[tokio::test]
async fn an_invalid_digest_is_400() {
    let lab = Lab::start();
    for digest in ["sha256:x", "x", "sha256:"] {
        assert_eq!(lab.get(&format!("/v2/a/referrers/{digest}")).await.refusal(), (400, "DIGEST_INVALID".into()));
    }
}

/// MUST | Listing Referrers | `artifactType` is that of the manifest or index
/// MUST | Listing Referrers | An image without one has its config's media type
/// MUST | Listing Referrers | An index without one has none
/// MUST | Listing Referrers | Annotations are those of the manifest
/// MUST | Enabling the Referrers API | Every manifest pushed with a `subject` is listed
/// DIFFERS | ref-list, ref-list-missing-subject, ref-config-type | It is, also when the subject is not there
#[tokio::test]
async fn referrers_are_described() {
    let lab = Lab::start();
    let subject = Digest::of(b"subject");
    let config = lab.blob("a", b"{}").await;
    let mut typed = about(image(&config), &subject);
    typed["artifactType"] = "application/x.sbom".into();
    typed["annotations"] = json!({ "org.example": "1" });
    let plain = about(image(&config), &subject);
    let bare_index = about(index(&[]), &subject);
    let mut typed_index = about(index(&[]), &subject);
    typed_index["artifactType"] = "application/x.list".into();
    let config_type = "application/vnd.oci.image.config.v1+json";
    let wanted = [
        (&typed, json!("application/x.sbom"), IMAGE),
        (&plain, json!(config_type), IMAGE),
        (&bare_index, Value::Null, INDEX),
        (&typed_index, json!("application/x.list"), INDEX),
    ];
    for (body, ..) in &wanted {
        put(&lab, body).await;
    }
    put(&lab, &about(image(&config), &Digest::of(b"another"))).await;
    let list = lab.get(&format!("/v2/a/referrers/{subject}")).await.json();
    assert_eq!(list["manifests"].as_array().unwrap().len(), wanted.len());
    for (body, artifact_type, media_type) in wanted {
        let digest = digest_of(body).to_string();
        let found = list["manifests"].as_array().unwrap().iter().find(|d| d["digest"] == digest).unwrap();
        assert_eq!((&found["artifactType"], &found["mediaType"]), (&artifact_type, &json!(media_type)));
        assert_eq!(found["annotations"], body["annotations"]);
        assert_eq!(found["size"], body.to_string().len());
        assert_eq!(found.get("artifactType").is_some(), artifact_type != Value::Null);
    }
}

/// SHOULD | Listing Referrers | The list can be filtered by `artifactType`
/// MUST | Listing Referrers | A filter that was applied is named in `OCI-Filters-Applied`
#[tokio::test]
async fn referrers_are_filtered() {
    let lab = Lab::start();
    let subject = Digest::of(b"subject");
    let config = lab.blob("a", b"{}").await;
    for kind in ["application/x+a", "application/b"] {
        let mut body = about(image(&config), &subject);
        body["artifactType"] = kind.into();
        put(&lab, &body).await;
    }
    let path = format!("/v2/a/referrers/{subject}");
    assert!(!lab.get(&path).await.headers.contains_key("oci-filters-applied"));
    for (filter, count) in [("application/x%2Ba", 1), ("application/b", 1), ("application/c", 0)] {
        let answer = lab.get(&format!("{path}?artifactType={filter}")).await;
        assert_eq!(answer.header("oci-filters-applied"), "artifactType");
        assert_eq!(answer.json()["manifests"].as_array().unwrap().len(), count, "{filter}");
    }
}

/// MUST | Listing Referrers | What does not fit into one index goes on at a `Link` with `rel="next"`
#[tokio::test]
async fn a_long_list_goes_on() {
    let lab = Lab::start();
    let subject = Digest::of(b"subject");
    let config = lab.blob("a", b"{}").await;
    for i in 0..3 {
        let mut body = about(image(&config), &subject);
        body["annotations"] = json!({ "big": format!("{i}").repeat(1_300_000) });
        put(&lab, &body).await;
    }
    let first = lab.get(&format!("/v2/a/referrers/{subject}")).await;
    let (target, relation) = first.header("link").split_once(';').unwrap();
    assert_eq!(relation.trim(), "rel=\"next\"");
    let second = lab.get(target.trim_matches(['<', '>'])).await;
    assert!(!second.headers.contains_key("link"));
    let count = |answer: &super::Answer| answer.json()["manifests"].as_array().unwrap().len();
    assert_eq!((count(&first), count(&second)), (2, 1));
}

/// MUST | Enabling the Referrers API | Manifests listed under the subject's tag by older clients are listed
#[tokio::test]
async fn the_tag_of_older_clients_is_read() {
    let lab = Lab::start();
    let (_, subject) = lab.image("a", "v1").await;
    let config = lab.blob("a", b"{}").await;
    let listed = about(image(&config), &subject);
    let digest = put(&lab, &listed).await;
    // As if it had been pushed to a registry that keeps no list, and the folder then served by this one.
    let own = lab.dir.path().join("store/docker/registry/v2/repositories/a/_referrers");
    std::fs::remove_dir_all(own).unwrap();
    let path = format!("/v2/a/referrers/{subject}");
    assert_eq!(lab.get(&path).await.json()["manifests"], json!([]));
    let stranger = lab.image("a", "v2").await.1;
    let tag = subject.to_string().replace(':', "-");
    assert_eq!(lab.manifest("a", &tag, &index(&[&digest, &stranger])).await.status, 201);
    let list = lab.get(&path).await.json();
    assert_eq!(list["manifests"].as_array().unwrap().len(), 1, "the stranger has no subject");
    assert_eq!(list["manifests"][0]["digest"], digest.to_string());
}
