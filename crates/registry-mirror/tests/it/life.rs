//! What the registry does for a long time and for many at once.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use registry_mirror::Digest;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use crate::Lab;
use crate::spec::image;

pub(crate) type Raw = rustls::StreamOwned<rustls::ClientConnection, TcpStream>;

impl Lab {
    /// A connection without a client, for what no client does. May block.
    pub(crate) fn raw(&self) -> Raw {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.ca_pem.as_bytes()).unwrap()).unwrap();
        let config = rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        let session = rustls::ClientConnection::new(Arc::new(config), "127.0.0.1".try_into().unwrap()).unwrap();
        let socket = TcpStream::connect(self.serving.address()).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        rustls::StreamOwned::new(session, socket)
    }
}

/// DIFFERS | rob-broken-patch | An upload goes on after its connection was cut, from the last byte that came
#[tokio::test(flavor = "multi_thread")]
async fn an_upload_goes_on_after_a_cut_connection() {
    let lab = Lab::start();
    let path = lab.upload("a").await;
    let mut raw = lab.raw();
    let head = format!("PATCH {path} HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\ncontent-range: 0-9\r\n\r\n");
    raw.write_all(format!("{head}01234").as_bytes()).unwrap();
    raw.flush().unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    drop(raw);
    let answer = lab.get(&path).await;
    assert_eq!((answer.status, answer.header("range")), (204, "0-4"));
    let closing = format!("{path}?digest={}", Digest::of(b"0123456789"));
    assert_eq!(lab.send("PUT", &closing, &[("content-range", "5-9")], b"56789".to_vec()).await.status, 201);
}

/// DIFFERS | rob-concurrent-retag | Whoever reads a tag while it moves gets the old image or the new one, whole
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_never_meet_half_a_tag() {
    let lab = Lab::start();
    let images = [lab.image("a", "v").await.0, lab.image("a", "w").await.0];
    let known: Vec<Vec<u8>> = images.iter().map(|i| i.to_string().into_bytes()).collect();
    let (lab, images, known) = (&lab, &images, &known);
    let writer = async move {
        for i in 0..60 {
            assert_eq!(lab.manifest("a", "v", &images[i % 2]).await.status, 201);
        }
    };
    let reader = async move || {
        for _ in 0..120 {
            let answer = lab.get("/v2/a/manifests/v").await;
            assert!(answer.status == 200 && known.contains(&answer.body), "{}", answer.status);
        }
    };
    tokio::join!(writer, reader(), reader());
    assert!(lab.store().verify().unwrap().findings.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_push_the_same_at_once() {
    let lab = Lab::start();
    let lab = &lab;
    let one = async move |i: usize| {
        let layer = lab.blob("a", &vec![(i % 4) as u8; 200_000]).await;
        let tag = format!("t{}", i % 3);
        assert_eq!(lab.manifest("a", &tag, &image(&layer)).await.status, 201);
    };
    futures_util::future::join_all((0..24).map(one)).await;
    let seen = lab.store().verify().unwrap();
    assert!(seen.findings.is_empty(), "{:?}", seen.findings);
    assert_eq!(seen.blobs, 8);
}

#[tokio::test]
async fn counters_are_kept() {
    let lab = Lab::start();
    lab.image("a", "v1").await;
    lab.get("/v2/a/manifests/v1").await;
    lab.get("/v2/a/manifests/none").await;
    let answer = lab.get("/metrics").await;
    assert_eq!(answer.header("content-type"), "text/plain; version=0.0.4; charset=utf-8");
    let text = String::from_utf8(answer.body).unwrap();
    for line in [
        "registry_requests_total{method=\"GET\",route=\"manifest\",status=\"200\"} 1",
        "registry_requests_total{method=\"GET\",route=\"manifest\",status=\"404\"} 1",
        "registry_requests_total{method=\"PUT\",route=\"manifest\",status=\"201\"} 1",
        "registry_in_flight 1",
        "registry_received_bytes_total 11",
        "# TYPE registry_request_seconds_total counter",
    ] {
        assert!(text.lines().any(|l| l == line), "{line} is not in\n{text}");
    }
}

/// A blob under way is sent to its end also when it is deleted meanwhile, and its connection stays in use.
#[tokio::test(flavor = "multi_thread")]
async fn a_blob_under_way_is_sent_whole() {
    let lab = Lab::start();
    let bytes: Vec<u8> = (0..4_000_000u32).map(|i| (i % 253) as u8).collect();
    let digest = lab.blob("a", &bytes).await;
    let path = format!("/v2/a/blobs/{digest}");
    let mut raw = lab.raw();
    write!(raw, "GET {path} HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
    let mut got = vec![0; 100_000];
    raw.read_exact(&mut got).unwrap();
    assert_eq!(lab.send("DELETE", &path, &[], vec![]).await.status, 202);
    let spec = registry_mirror::GarbageSpec { grace: Duration::ZERO, ..Default::default() };
    assert_eq!(lab.store().collect_garbage(&spec).unwrap().blobs, 1);
    let end = got.windows(4).position(|w| w == b"\r\n\r\n").unwrap() + 4;
    let mut rest = vec![0; bytes.len() - (got.len() - end)];
    raw.read_exact(&mut rest).unwrap();
    assert!([&got[end..], &rest].concat() == bytes);
    write!(raw, "GET {path} HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
    let mut status = [0; 12];
    raw.read_exact(&mut status).unwrap();
    assert_eq!(&status, b"HTTP/1.1 404");
}
