use registry_mirror::Digest;

use super::Answer;
use crate::Lab;

async fn chunk(lab: &Lab, path: &str, range: &str, bytes: &[u8]) -> Answer {
    lab.send("PATCH", path, &[("content-range", range)], bytes.to_vec()).await
}

/// MUST | Pushing a blob in chunks | Every chunk answers 202 with `Location` and `Range: 0-<end>`
/// MUST | Pushing a blob in chunks | The session is closed by a PUT that answers 201 with the `Location` of the blob
/// MAY | Pushing a blob in chunks | The last chunk may come with the closing PUT
#[tokio::test]
async fn chunks_are_put_together() {
    let lab = Lab::start();
    let digest = Digest::of(b"0123456789");
    for with_last in [true, false] {
        let mut path = lab.upload("a").await;
        let chunks: &[(&str, &[u8], &str)] = &[("0-3", b"0123", "0-3"), ("4-4", b"4", "0-4"), ("5-8", b"5678", "0-8")];
        for (range, bytes, so_far) in chunks {
            let answer = chunk(&lab, &path, range, bytes).await;
            assert_eq!((answer.status, answer.header("range")), (202, *so_far));
            path = answer.header("location").to_owned();
        }
        let closing = format!("{path}?digest={digest}");
        let answer = if with_last {
            lab.send("PUT", &closing, &[("content-range", "9-9")], b"9".to_vec()).await
        } else {
            assert_eq!(chunk(&lab, &path, "9-9", b"9").await.status, 202);
            lab.send("PUT", &closing, &[], vec![]).await
        };
        assert_eq!(answer.status, 201);
        assert_eq!(lab.get(answer.header("location")).await.body, b"0123456789");
    }
}

/// MUST | Pushing a blob in chunks | A chunk out of order answers 416
/// MUST | Pushing a blob in chunks | The first chunk begins with 0
/// DIFFERS | push-chunked-gap, -first-gap, -overlap, -put-gap | Also in the closing PUT, and nothing of it is kept
#[tokio::test]
async fn a_chunk_out_of_order_is_416() {
    let lab = Lab::start();
    let path = lab.upload("a").await;
    assert_eq!(chunk(&lab, &path, "5-9", b"56789").await.status, 416);
    assert_eq!(chunk(&lab, &path, "0-4", b"01234").await.status, 202);
    for (range, bytes) in [("6-9", &b"6789"[..]), ("0-4", b"01234"), ("4-8", b"45678")] {
        let answer = chunk(&lab, &path, range, bytes).await;
        assert_eq!((answer.status, answer.header("range")), (416, "0-4"), "{range}");
        let closing = format!("{path}?digest={}", Digest::of(b"0123456789"));
        let answer = lab.send("PUT", &closing, &[("content-range", range)], bytes.to_vec()).await;
        assert_eq!(answer.status, 416, "{range}");
    }
    let closing = format!("{path}?digest={}", Digest::of(b"0123456789"));
    let answer = lab.send("PUT", &closing, &[("content-range", "5-9")], b"56789".to_vec()).await;
    assert_eq!(answer.status, 201);
}

/// MUST | Pushing a blob in chunks | A chunk's range is `<first>-<last>`, inclusive on both ends
#[tokio::test]
async fn a_range_has_two_ends() {
    let lab = Lab::start();
    let path = lab.upload("a").await;
    for range in ["0", "0-", "-4", "4-0", "a-b", "0-99999999999999999999999"] {
        assert_eq!(chunk(&lab, &path, range, b"01234").await.refusal(), (400, "BLOB_UPLOAD_INVALID".into()), "{range}");
    }
    assert_eq!(chunk(&lab, &path, "0-9", b"01234").await.refusal(), (400, "SIZE_INVALID".into()));
    assert_eq!(chunk(&lab, &path, "0-4", b"01234").await.status, 202);
}

/// MUST | Pushing a blob in chunks | A GET of an upload answers 204 with `Location` and `Range`
#[tokio::test]
async fn an_upload_tells_how_far_it_is() {
    let lab = Lab::start();
    let path = lab.upload("a").await;
    assert_eq!(chunk(&lab, &path, "0-4", b"01234").await.status, 202);
    assert_eq!(chunk(&lab, &path, "9-9", b"9").await.status, 416);
    let answer = lab.get(&path).await;
    assert_eq!((answer.status, answer.header("range")), (204, "0-4"));
    assert_eq!(chunk(&lab, answer.header("location"), "5-5", b"5").await.status, 202);
    assert_eq!(lab.send("DELETE", &path, &[], vec![]).await.status, 204);
    assert_eq!(lab.get(&path).await.refusal(), (404, "BLOB_UPLOAD_UNKNOWN".into()));
}

/// SHOULD | Pushing a blob in chunks | `OCI-Chunk-Min-Length` is there if chunks have a least size; they have none
#[tokio::test]
async fn a_chunk_may_be_one_byte() {
    let lab = Lab::start();
    let answer = lab.send("POST", "/v2/a/blobs/uploads/", &[], vec![]).await;
    assert!(!answer.headers.contains_key("oci-chunk-min-length"));
    let path = answer.header("location").to_owned();
    for (i, byte) in b"012".iter().enumerate() {
        assert_eq!(chunk(&lab, &path, &format!("{i}-{i}"), &[*byte]).await.status, 202);
    }
    let closing = format!("{path}?digest={}", Digest::of(b"012"));
    assert_eq!(lab.send("PUT", &closing, &[], vec![]).await.status, 201);
}

/// DIFFERS | crash-resume | An upload goes on after the registry was started again
#[tokio::test]
async fn an_upload_goes_on_after_a_restart() {
    let lab = Lab::start();
    let path = lab.upload("a").await;
    assert_eq!(chunk(&lab, &path, "0-4", b"01234").await.status, 202);
    let lab = lab.restarted().await;
    let answer = lab.get(&path).await;
    assert_eq!((answer.status, answer.header("range")), (204, "0-4"));
    let closing = format!("{path}?digest={}", Digest::of(b"0123456789"));
    let answer = lab.send("PUT", &closing, &[("content-range", "5-9")], b"56789".to_vec()).await;
    assert_eq!(answer.status, 201);
}
