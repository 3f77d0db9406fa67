use super::{DOCKER, DOCKER_LIST, IMAGE, INDEX, digest_of, image, index, sha512};
use crate::Lab;

/// MUST | Determining Support | `GET /v2/` answers 200 where the specification is implemented
#[tokio::test]
async fn the_base_answers_200() {
    let lab = Lab::start();
    for path in ["/v2/", "/v2"] {
        let answer = lab.get(path).await;
        assert_eq!((answer.status, answer.header("docker-distribution-api-version")), (200, "registry/2.0"));
    }
}

/// MUST | Pulling manifests | A reference is a tag or a digest, and in no other format
#[tokio::test]
async fn a_reference_is_a_tag_or_a_digest() {
    let lab = Lab::start();
    let (_, digest) = lab.image("a", "v1").await;
    for reference in ["v1", &digest.to_string(), &digest.to_string().replace(':', "%3A")] {
        assert_eq!(lab.get(&format!("/v2/a/manifests/{reference}")).await.status, 200, "{reference}");
    }
    for reference in ["sha256:", "sha256:zz", "md5:d41d8cd98f00b204e9800998ecf8427e", "-v1", "v1%20", "v1@x", "v1:x"] {
        assert_eq!(lab.get(&format!("/v2/a/manifests/{reference}")).await.status, 400, "{reference}");
        let put = lab.manifest("a", reference, &image(&digest)).await;
        assert_eq!(put.status, 400, "{reference}");
    }
}

/// MUST | Pulling manifests | Names match the regular expression of the specification
#[tokio::test]
async fn names_match_the_expression() {
    let lab = Lab::start();
    for name in ["a", "a/b/c/d/e", "a.b_c__d-e---f", "0", "blobs/uploads", "manifests", "tags/list", "x/referrers"] {
        lab.image(name, "v1").await;
        assert_eq!(lab.get(&format!("/v2/{name}/manifests/v1")).await.status, 200, "{name}");
        assert_eq!(lab.get(&format!("/v2/{name}/tags/list")).await.json()["tags"][0], "v1", "{name}");
    }
    for name in ["A", "a..b", "a___b", "-a", "a-", "a//b", "a%2F%2Fb", "a%00b", "%C3%A4"] {
        for path in ["manifests/v1", "tags/list", "blobs/uploads/x"] {
            let answer = lab.get(&format!("/v2/{name}/{path}")).await;
            assert_eq!(answer.refusal(), (400, "NAME_INVALID".into()), "{name}");
        }
    }
}

/// MUST | Pulling manifests | Tags match the regular expression and have at most 128 characters
#[tokio::test]
async fn tags_match_the_expression() {
    let lab = Lab::start();
    let longest = "t".repeat(128);
    for tag in ["_", "V1.0-rc_2", "0", &longest] {
        lab.image("a", tag).await;
    }
    let too_long = "t".repeat(129);
    for tag in [".x", "-x", "x+y", "%E2%82%AC", &too_long] {
        assert_eq!(
            lab.get(&format!("/v2/a/manifests/{tag}")).await.refusal(),
            (400, "MANIFEST_INVALID".into()),
            "{tag}"
        );
    }
}

/// MUST | Pulling manifests | A GET of an existing manifest answers 200 with the expected manifest
/// SHOULD | Pulling manifests | The answer has the manifest's digest in `Docker-Content-Digest`
/// DIFFERS | pull-man-accept-star | An OCI manifest comes whatever `Accept` says: none, `*/*`, several lines
#[tokio::test]
async fn a_manifest_is_got() {
    let lab = Lab::start();
    let (body, digest) = lab.image("a/b", "v1").await;
    for accept in [None, Some("*/*"), Some(IMAGE), Some(DOCKER)] {
        for reference in ["v1", &digest.to_string()] {
            let headers: Vec<_> = accept.iter().map(|a| ("accept", *a)).chain([("accept", INDEX)]).collect();
            let answer =
                lab.send("GET", &format!("/v2/a/b/manifests/{reference}?ns=docker.io"), &headers, vec![]).await;
            assert_eq!((answer.status, answer.body.as_slice()), (200, body.to_string().as_bytes()));
            assert_eq!(answer.header("docker-content-digest"), digest.to_string());
        }
    }
}

/// SHOULD | Pulling manifests | `Content-Type` matches what was pushed
/// SHOULD | Pulling manifests | `Content-Type` has no parameters
#[tokio::test]
async fn content_types_are_those_that_were_pushed() {
    let lab = Lab::start();
    let config = lab.blob("a", b"{}").await;
    for media_type in [IMAGE, INDEX, DOCKER, DOCKER_LIST] {
        for own in [true, false] {
            let list = media_type == INDEX || media_type == DOCKER_LIST;
            let mut body = if list { index(&[]) } else { image(&config) };
            match own {
                true => body["mediaType"] = media_type.into(),
                false => drop(body.as_object_mut().unwrap().remove("mediaType")),
            }
            body["annotations"] = serde_json::json!({ "as": media_type });
            let path = format!("/v2/a/manifests/{}", digest_of(&body));
            let put = lab.send("PUT", &path, &[("content-type", media_type)], body.to_string().into_bytes()).await;
            assert_eq!(put.status, 201);
            let got = lab.get(&path).await;
            assert_eq!(got.header("content-type"), media_type, "in the document: {own}");
        }
    }
}

/// MUST | Pulling manifests | A manifest that is not there answers 404
/// MUST | Pushing Manifests | A pull from a repository that is not there answers 404
#[tokio::test]
async fn an_unknown_manifest_is_404() {
    let lab = Lab::start();
    let (_, digest) = lab.image("a", "v1").await;
    for path in
        ["a/manifests/v2", &format!("a/manifests/{}", sha512(b"x")), "b/manifests/v1", &format!("b/manifests/{digest}")]
    {
        assert_eq!(lab.get(&format!("/v2/{path}")).await.refusal(), (404, "MANIFEST_UNKNOWN".into()), "{path}");
    }
}

/// MUST | Pulling blobs | A GET of an existing blob answers 200 with the expected blob
/// SHOULD | Pulling blobs | The answer has the blob's digest in `Docker-Content-Digest`
/// MUST | Pulling blobs | `Docker-Content-Digest` is the digest of the body
/// DIFFERS | sha512 | A blob pushed by its SHA-512 digest is had, and described, by that digest
#[tokio::test]
async fn a_blob_is_got() {
    let lab = Lab::start();
    for bytes in [&b""[..], b"{}", &[7; 100_000]] {
        let digests = [lab.blob("a", bytes).await, sha512(bytes)];
        let path = format!("/v2/a/blobs/uploads/?digest={}", digests[1]);
        assert_eq!(lab.send("POST", &path, &[], bytes.to_vec()).await.status, 201);
        for digest in digests {
            let answer = lab.get(&format!("/v2/a/blobs/{digest}")).await;
            assert_eq!((answer.status, answer.body.as_slice()), (200, bytes));
            assert_eq!(answer.header("docker-content-digest"), digest.to_string());
            assert_eq!(answer.header("content-length"), bytes.len().to_string());
        }
    }
}

/// MUST | Pulling blobs | A blob that the repository does not have answers 404
#[tokio::test]
async fn an_unknown_blob_is_404() {
    let lab = Lab::start();
    let digest = lab.blob("a", b"x").await;
    for path in [format!("b/blobs/{digest}"), format!("a/blobs/{}", sha512(b"x"))] {
        assert_eq!(lab.get(&format!("/v2/{path}")).await.refusal(), (404, "BLOB_UNKNOWN".into()), "{path}");
    }
}

/// SHOULD | Pulling blobs | `Range` is supported as RFC 9110 says
/// DIFFERS | pull-range | A range past the end answers 416 and keeps the connection
#[tokio::test]
async fn ranges_are_supported() {
    let lab = Lab::start();
    let bytes: Vec<u8> = (0..2048u32).map(|i| (i % 251) as u8).collect();
    let digest = lab.blob("a", &bytes).await;
    let path = format!("/v2/a/blobs/{digest}");
    let parts = [
        ("bytes=500-1499", 500..1500),
        ("bytes=500-", 500..2048),
        ("bytes=-500", 1548..2048),
        ("bytes=2000-5000", 2000..2048),
        ("bytes=0-0", 0..1),
    ];
    for (range, part) in parts {
        let answer = lab.send("GET", &path, &[("range", range)], vec![]).await;
        assert_eq!((answer.status, answer.body.as_slice()), (206, &bytes[part.clone()]), "{range}");
        assert_eq!(answer.header("content-range"), format!("bytes {}-{}/2048", part.start, part.end - 1));
        assert_eq!(answer.header("accept-ranges"), "bytes");
    }
    for range in ["bytes=500-0", "bytes=5000-10000", "bytes=2048-", "bytes=-0"] {
        let answer = lab.send("GET", &path, &[("range", range)], vec![]).await;
        assert_eq!((answer.status, answer.header("content-range")), (416, "bytes */2048"), "{range}");
    }
    for range in ["lines=1-2", "bytes=a-b", "bytes=0-1,4-5"] {
        assert_eq!(lab.send("GET", &path, &[("range", range)], vec![]).await.status, 200, "{range}");
    }
    let same = format!("\"{digest}\"");
    for (tag, status) in [(same.as_str(), 206), ("\"other\"", 200), ("Wed, 21 Oct 2015 07:28:00 GMT", 200)] {
        let headers = [("range", "bytes=0-9"), ("if-range", tag)];
        assert_eq!(lab.send("GET", &path, &headers, vec![]).await.status, status, "{tag}");
    }
    assert_eq!(lab.send("GET", &path, &[("if-none-match", &same)], vec![]).await.status, 304);
}

/// MUST | Checking if content exists | A HEAD of an existing blob or manifest answers 200
/// SHOULD | Checking if content exists | The answer has the digest in `Docker-Content-Digest`
/// SHOULD | Checking if content exists | The answer has the size in `Content-Length`
/// MUST | Checking if content exists | A HEAD of what is not there answers 404
#[tokio::test]
async fn content_is_asked_for_by_head() {
    let lab = Lab::start();
    let (body, digest) = lab.image("a", "v1").await;
    let blob = lab.blob("a", b"12345").await;
    let size = body.to_string().len();
    let cases = [("manifests/v1".to_owned(), &digest, size), (format!("manifests/{digest}"), &digest, size)];
    for (path, digest, size) in cases.into_iter().chain([(format!("blobs/{blob}"), &blob, 5)]) {
        let answer = lab.send("HEAD", &format!("/v2/a/{path}"), &[], vec![]).await;
        assert_eq!((answer.status, answer.body.len()), (200, 0), "{path}");
        assert_eq!(answer.header("docker-content-digest"), digest.to_string());
        assert_eq!(answer.header("content-length"), size.to_string());
    }
    for path in ["a/manifests/v2", "b/manifests/v1", &format!("b/blobs/{blob}"), &format!("a/blobs/{}", sha512(b""))] {
        assert_eq!(lab.send("HEAD", &format!("/v2/{path}"), &[], vec![]).await.status, 404, "{path}");
    }
}
