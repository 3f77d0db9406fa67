use super::sha512;
use crate::Lab;
use registry_mirror::Digest;

/// MUST | POST then PUT | A POST answers 202 with a `Location` that has a UUID
#[tokio::test]
async fn an_upload_begins_with_202_and_a_uuid() {
    let lab = Lab::start();
    let (one, two) = (lab.upload("a/b").await, lab.upload("a/b").await);
    assert_ne!(one, two);
    let id = one.rsplit('/').next().unwrap();
    let parts: Vec<usize> = id.split('-').map(str::len).collect();
    assert_eq!(parts, [8, 4, 4, 4, 12], "{id}");
}

/// MUST | POST then PUT | A PUT that completes an upload answers 201 with the `Location` of a blob that can be pulled
#[tokio::test]
async fn a_put_completes_an_upload() {
    let lab = Lab::start();
    for bytes in [&b""[..], b"{}", &[3; 300_000]] {
        for digest in [Digest::of(bytes), sha512(bytes)] {
            let path = format!("{}?digest={digest}", lab.upload("a").await);
            let headers = [("content-type", "application/octet-stream")];
            let answer = lab.send("PUT", &path, &headers, bytes.to_vec()).await;
            assert_eq!((answer.status, answer.header("docker-content-digest")), (201, digest.to_string().as_str()));
            assert_eq!(lab.get(answer.header("location")).await.body, bytes);
        }
    }
}

/// MAY | Single POST | A blob can be pushed with a single POST
/// MUST | Single POST | Success answers 201 with the `Location` of the blob
/// MUST | Single POST | `Content-Length` and digest match the content
#[tokio::test]
async fn a_single_post_pushes_a_blob() {
    let lab = Lab::start();
    let digest = Digest::of(b"post");
    let path = format!("/v2/a/blobs/uploads/?digest={digest}");
    let answer = lab.send("POST", &path, &[], b"post".to_vec()).await;
    assert_eq!(answer.status, 201);
    assert_eq!(lab.get(answer.header("location")).await.body, b"post");
    let wrong = lab.send("POST", &path, &[], b"pos".to_vec()).await;
    assert_eq!(wrong.refusal(), (400, "DIGEST_INVALID".into()));
}

/// MUST | POST then PUT | Content that does not have the digest is refused, whichever way it came
#[tokio::test]
async fn a_wrong_digest_is_refused() {
    let lab = Lab::start();
    for wrong in [Digest::of(b"other"), sha512(b"other")] {
        let path = format!("{}?digest={wrong}", lab.upload("a").await);
        assert_eq!(lab.send("PUT", &path, &[], b"x".to_vec()).await.refusal(), (400, "DIGEST_INVALID".into()));
        let upload = lab.upload("a").await;
        assert_eq!(lab.send("PATCH", &upload, &[], b"x".to_vec()).await.status, 202);
        let path = format!("{upload}?digest={wrong}");
        assert_eq!(lab.send("PUT", &path, &[], vec![]).await.refusal(), (400, "DIGEST_INVALID".into()));
        assert_eq!(lab.get(&format!("/v2/a/blobs/{wrong}")).await.status, 404);
    }
    for bad in ["", "sha256:x", "sha1:0000"] {
        let path = format!("{}?digest={bad}", lab.upload("a").await);
        assert_eq!(lab.send("PUT", &path, &[], vec![]).await.refusal(), (400, "DIGEST_INVALID".into()));
    }
}

/// MUST | Mounting a blob | A successful mount answers 201 with the `Location` of the blob
/// MAY | Mounting a blob | `from` may be left out
/// DIFFERS | anonymous mount | A blob is mounted without `from` where it can be found
#[tokio::test]
async fn a_blob_is_mounted() {
    let lab = Lab::start();
    let digest = lab.blob("a", b"layer").await;
    for (target, from) in [("b", "&from=a"), ("c", "")] {
        let path = format!("/v2/{target}/blobs/uploads/?mount={digest}{from}");
        let answer = lab.send("POST", &path, &[], vec![]).await;
        assert_eq!((answer.status, answer.header("docker-content-digest")), (201, digest.to_string().as_str()));
        assert_eq!(lab.get(answer.header("location")).await.body, b"layer");
        assert_eq!(lab.get(&format!("/v2/{target}/blobs/{digest}")).await.body, b"layer");
    }
}

/// SHOULD | Mounting a blob | A mount that cannot be made answers 202 and begins an upload
#[tokio::test]
async fn a_mount_that_cannot_be_made_begins_an_upload() {
    let lab = Lab::start();
    let there = lab.blob("a", b"layer").await;
    let absent = Digest::of(b"absent");
    for (digest, from) in [(&absent, ""), (&absent, "&from=a"), (&there, "&from=b")] {
        let path = format!("/v2/c/blobs/uploads/?mount={digest}{from}");
        let answer = lab.send("POST", &path, &[], vec![]).await;
        assert_eq!(answer.status, 202);
        let bytes = if *digest == absent { &b"absent"[..] } else { b"layer" };
        let put = lab.send("PUT", &format!("{}?digest={digest}", answer.header("location")), &[], bytes.to_vec()).await;
        assert_eq!(put.status, 201);
    }
}
