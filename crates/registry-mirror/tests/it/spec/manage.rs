use super::descriptor;
use super::{IMAGE, digest_of, image};
use crate::Lab;
use registry_mirror::Digest;

impl Lab {
    async fn delete(&self, path: &str) -> u16 {
        self.send("DELETE", path, &[], vec![]).await.status
    }
}

/// MUST | Deleting tags | A deletion answers 202, and the tag is then 404
/// DIFFERS | tag delete | A tag goes alone: its manifest and other tags stay
#[tokio::test]
async fn a_tag_is_deleted() {
    let lab = Lab::start();
    let (body, digest) = lab.image("a", "v1").await;
    assert_eq!(lab.manifest("a", "v2", &body).await.status, 201);
    assert_eq!(lab.delete("/v2/a/manifests/v1").await, 202);
    assert_eq!(lab.get("/v2/a/manifests/v1").await.status, 404);
    for reference in ["v2", &digest.to_string()] {
        assert_eq!(lab.get(&format!("/v2/a/manifests/{reference}")).await.status, 200);
    }
    assert_eq!(lab.delete("/v2/a/manifests/v1").await, 404);
}

/// MUST | Deleting Manifests | A deletion answers 202; the manifest and every tag that points to it are then 404
/// MUST | Deleting Manifests | In a repository that is not there the answer is 404
#[tokio::test]
async fn a_manifest_is_deleted_with_its_tags() {
    let lab = Lab::start();
    let (body, digest) = lab.image("a", "v1").await;
    assert_eq!(lab.manifest("a", "v2", &body).await.status, 201);
    lab.image("a", "other").await;
    assert_eq!(lab.delete(&format!("/v2/a/manifests/{digest}")).await, 202);
    for reference in ["v1", "v2", &digest.to_string()] {
        assert_eq!(lab.get(&format!("/v2/a/manifests/{reference}")).await.status, 404);
    }
    assert_eq!(lab.get("/v2/a/manifests/other").await.status, 200);
    assert_eq!(lab.delete(&format!("/v2/nobody/manifests/{digest}")).await, 404);
    let config = lab.blob("a", b"{}").await;
    let subject = Digest::of(b"subject");
    let mut about = image(&config);
    about["subject"] = descriptor(IMAGE, &subject, 1);
    let referrer = digest_of(&about).to_string();
    assert_eq!(lab.manifest("a", &referrer, &about).await.status, 201);
    assert_eq!(lab.delete(&format!("/v2/a/manifests/{referrer}")).await, 202);
    assert_eq!(lab.get(&format!("/v2/a/referrers/{subject}")).await.json()["manifests"], serde_json::json!([]));
}

/// MUST | Deleting Blobs | A deletion answers 202, and the blob is then 404
/// MUST | Deleting Blobs | A blob that is not there answers 404
#[tokio::test]
async fn a_blob_is_deleted() {
    let lab = Lab::start();
    let digest = lab.blob("a", b"x").await;
    lab.blob("b", b"x").await;
    assert_eq!(lab.delete(&format!("/v2/a/blobs/{digest}")).await, 202);
    assert_eq!(lab.get(&format!("/v2/a/blobs/{digest}")).await.status, 404);
    assert_eq!(lab.get(&format!("/v2/b/blobs/{digest}")).await.status, 200);
    assert_eq!(lab.delete(&format!("/v2/a/blobs/{digest}")).await, 404);
}

/// MUST | Deleting tags, manifests, blobs | Where deletion is disabled the answer is 400 or 405
#[tokio::test]
async fn a_registry_that_is_only_read_refuses_writes() {
    let lab = Lab::start();
    let (body, digest) = lab.image("a", "v1").await;
    let blob = lab.blob("a", b"x").await;
    let lab = lab.restarted_as(|spec| spec.read_only = true).await;
    for path in ["/v2/a/manifests/v1", &format!("/v2/a/manifests/{digest}"), &format!("/v2/a/blobs/{blob}")] {
        let answer = lab.send("DELETE", path, &[], vec![]).await;
        assert_eq!(answer.refusal(), (405, "UNSUPPORTED".into()), "{path}");
        assert_eq!(lab.get(path).await.status, 200);
        assert_eq!(lab.send("HEAD", path, &[], vec![]).await.status, 200);
    }
    assert_eq!(lab.manifest("a", "v2", &body).await.status, 405);
    assert_eq!(lab.send("POST", "/v2/a/blobs/uploads/", &[], vec![]).await.status, 405);
}
