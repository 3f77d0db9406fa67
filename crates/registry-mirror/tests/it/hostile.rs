//! Who means no good gets a 4xx, or nothing.

use std::io::{Read, Write};
use std::time::{Duration, Instant};

use registry_mirror::{Digest, Limits};

use crate::Lab;

/// What a raw connection answers until it is closed or quiet.
fn answer(mut raw: crate::life::Raw, request: &[u8]) -> String {
    raw.write_all(request).unwrap();
    let mut text = Vec::new();
    let mut buffer = [0; 4096];
    while let Ok(n) = raw.read(&mut buffer) {
        text.extend_from_slice(&buffer[..n]);
        if n == 0 || text.windows(4).any(|w| w == b"\r\n\r\n") {
            break;
        }
    }
    String::from_utf8_lossy(&text).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn paths_lead_nowhere_else() {
    let lab = Lab::start();
    lab.image("a", "v1").await;
    let secret = lab.dir.path().join("secret");
    std::fs::write(&secret, b"secret").unwrap();
    let digest = Digest::of(b"x");
    let hex = digest.hex();
    for path in [
        "/v2/../../../../secret/manifests/v1".to_owned(),
        "/v2/%2e%2e/%2e%2e/secret/manifests/v1".to_owned(),
        "/v2/..%2f..%2fsecret/blobs/uploads/".to_owned(),
        "/v2/a%5c..%5c..%5csecret/tags/list".to_owned(),
        "/v2/a/blobs/sha256:..%2f..%2f..%2fsecret".to_owned(),
        format!("/v2/a/blobs/sha256:../{}", &hex[3..]),
        "/v2/a/blobs/uploads/..%2f..%2f_manifests".to_owned(),
        "/v2/a/blobs/uploads/%2e%2e".to_owned(),
        "/v2/a/manifests/..%2fv1".to_owned(),
        "/v2/a/manifests/%00".to_owned(),
        "/v2/con%3a/manifests/v1".to_owned(),
        "/v2/a/referrers/sha256:..".to_owned(),
        "//v2/a/manifests/v1".to_owned(),
        format!("/v2/{}/manifests/v1", "a/".repeat(200)),
        format!("/v2/{}/manifests/v1", "a".repeat(300)),
        format!("/v2/a/manifests/{}", "v".repeat(9000)),
    ] {
        for method in ["GET", "PUT", "PATCH", "DELETE", "POST"] {
            let request =
                format!("{method} {path} HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            let text = answer(lab.raw(), request.as_bytes());
            assert!(text.starts_with("HTTP/1.1 4"), "{method} {path}: {text}");
        }
    }
    assert_eq!(std::fs::read(&secret).unwrap(), b"secret");
    let beside = std::fs::read_dir(lab.dir.path().join("store")).unwrap().count();
    assert_eq!(beside, 1, "only docker/");
    assert_eq!(lab.get("/v2/a/manifests/v1").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_http_is_refused() {
    let lab = Lab::start();
    let huge = format!("GET /v2/ HTTP/1.1\r\nhost: x\r\nx: {}\r\n\r\n", "y".repeat(1 << 20));
    let many = format!("GET /v2/ HTTP/1.1\r\nhost: x\r\n{}\r\n", "x: y\r\n".repeat(1000));
    let long = format!("GET /v2/{} HTTP/1.1\r\nhost: x\r\n\r\n", "a".repeat(100_000));
    let smuggled = "POST /v2/a/blobs/uploads/ HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\nGET /v2/ HTTP/1.1\r\n\r\n";
    for request in [huge.as_str(), &many, &long, "nonsense\r\n\r\n", "GET /v2/ HTTP/9.9\r\n\r\n", "\0\0\0\0\r\n\r\n"] {
        let mut raw = lab.raw();
        let _ = raw.write_all(request.as_bytes());
        let mut text = Vec::new();
        let _ = raw.read_to_end(&mut text);
        let text = String::from_utf8_lossy(&text);
        assert!(text.is_empty() || text.starts_with("HTTP/1.1 4"), "{text}");
    }
    assert!(!answer(lab.raw(), smuggled.as_bytes()).starts_with("HTTP/1.1 5"));
    assert_eq!(lab.get("/v2/").await.status, 200);
}

fn hasty() -> Limits {
    Limits { connections: 8, headers: Duration::from_millis(700), idle: Duration::from_millis(700) }
}

/// Slow headers, a slow body, a client that reads nothing, and one that says nothing at all.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_keeps_a_connection_by_being_slow() {
    let lab = Lab::start_as(|spec| spec.limits = hasty());
    let digest = lab.blob("a", &vec![5; 32 << 20]).await;
    let (upload, other) = (lab.upload("a").await, lab.upload("a").await);
    let begun = Instant::now();

    let mut headers = lab.raw();
    write!(headers, "GET /v2/ HTTP/1.1\r\nhost: x\r\nx-slow: ").unwrap();
    let mut body = lab.raw();
    write!(body, "PATCH {upload} HTTP/1.1\r\nhost: x\r\ncontent-length: 100000\r\n\r\n").unwrap();
    let mut stalled = lab.raw();
    write!(stalled, "PATCH {other} HTTP/1.1\r\nhost: x\r\ncontent-length: 100000\r\n\r\n").unwrap();
    let mut blind = lab.raw();
    write!(blind, "GET /v2/a/blobs/{digest} HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
    blind.flush().unwrap();
    let silent = std::net::TcpStream::connect(lab.serving.address()).unwrap();
    silent.set_read_timeout(Some(Duration::from_secs(20))).unwrap();

    // One byte at a time would go on for ever if every byte bought more time.
    for _ in 0..12 {
        let _ = headers.write_all(b"y").and_then(|()| headers.flush());
        let _ = body.write_all(b"z").and_then(|()| body.flush());
        tokio::time::sleep(Duration::from_millis(150)).await;
    }
    let read = |mut raw: crate::life::Raw| {
        let mut text = Vec::new();
        let _ = raw.read_to_end(&mut text);
        String::from_utf8_lossy(&text).into_owned()
    };
    let headers = read(headers);
    assert!(headers.is_empty() || headers.starts_with("HTTP/1.1 4"), "{headers}");
    assert!(read(stalled).starts_with("HTTP/1.1 408"));
    // Bytes that met a closed socket may have swept the answer away.
    let body = read(body);
    assert!(body.is_empty() || body.starts_with("HTTP/1.1 408"), "{body}");
    assert_eq!((&silent).read(&mut [0; 8]).unwrap_or(0), 0);
    // What the sockets hold is all that the blind one gets.
    let mut taken = Vec::new();
    let _ = blind.read_to_end(&mut taken);
    assert!(taken.len() < 32 << 20, "{}", taken.len());
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
    assert_eq!(lab.get("/v2/").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_connection_too_many_is_closed_and_counted() {
    let lab = Lab::start_as(|spec| spec.limits.connections = 4);
    let open: Vec<_> = (0..4)
        .map(|_| {
            let mut raw = lab.raw();
            write!(raw, "GET /v2/ HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
            raw.read_exact(&mut [0; 12]).unwrap();
            raw
        })
        .collect();
    let mut fifth = lab.raw();
    assert!(fifth.write_all(b"x").and_then(|()| fifth.read(&mut [0; 1])).is_err());
    drop(open);
    let mut answer = None;
    for _ in 0..50 {
        answer = lab.client.get(lab.url("/metrics")).send().await.ok();
        if answer.is_some() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(answer.unwrap().text().await.unwrap().contains("registry_connections_refused_total"));
}

#[tokio::test(flavor = "multi_thread")]
async fn manifests_that_are_too_large_are_not_read() {
    let lab = Lab::start();
    let mut raw = lab.raw();
    write!(raw, "PUT /v2/a/manifests/v1 HTTP/1.1\r\nhost: x\r\ncontent-length: 999999999999\r\n\r\n").unwrap();
    let text = tokio::task::spawn_blocking(move || answer(raw, b"")).await.unwrap();
    assert!(text.starts_with("HTTP/1.1 413"), "{text}");
    // Nesting as deep as the limit allows.
    let deep = "[".repeat(4 << 20);
    assert_eq!(lab.send("PUT", "/v2/a/manifests/v1", &[], deep.into_bytes()).await.status, 400);
}
