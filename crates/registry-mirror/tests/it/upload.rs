//! An upload whose connection breaks goes on where the target has it, and sources that mean no good.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use registry_mirror::{Image, Options, Source, Store, Target, mirror_to};
use steps::{Problem, Silent};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::Lab;
use crate::images::{docker_archive, layer};

/// A line to `target` that breaks once, after so many bytes towards it. Says its address and counts the bytes.
async fn line_that_breaks(target: String, after: u64) -> (String, Arc<AtomicU64>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let sent = Arc::new(AtomicU64::new(0));
    let counter = sent.clone();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let server = TcpStream::connect(&target).await.unwrap();
            let counter = counter.clone();
            tokio::spawn(async move {
                let ((mut from_client, mut to_client), (mut from_server, mut to_server)) =
                    (client.into_split(), server.into_split());
                let back = tokio::spawn(async move { tokio::io::copy(&mut from_server, &mut to_client).await });
                let mut piece = vec![0; 1 << 16];
                while let Ok(n) = from_client.read(&mut piece).await {
                    let before = counter.fetch_add(n as u64, Ordering::SeqCst);
                    let breaks = before < after && before + n as u64 >= after;
                    if n == 0 || to_server.write_all(&piece[..n]).await.is_err() || breaks {
                        break;
                    }
                }
                // Both directions break; what arrived is read before the end is seen.
                back.abort();
                let _ = to_server.shutdown().await;
            });
        }
    });
    (address, sent)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_goes_on_where_its_connection_broke() {
    let lab = Lab::start();
    let dir = tempfile::tempdir().unwrap();
    let archive = dir.path().join("large.tar");
    let size = 24 << 20;
    docker_archive(&archive, &["docker.io/library/large:1"], &[layer("a", &vec![7; size])]);
    let (address, sent) = line_that_breaks(lab.host(), 16 << 20).await;
    let image =
        Image { reference: "docker.io/library/large:1".into(), digest: None, sources: vec![Source::File(archive)] };
    let options = Options {
        ca_pem: Some(lab.ca_pem.clone()),
        scratch: dir.path().join("scratch"),
        retry_wait: Duration::from_millis(50),
        ..Options::default()
    };
    let report = mirror_to(&[image], Target::Registry(&address), &options, &Silent).await.unwrap();
    assert_eq!(report.complete().unwrap().new.len(), 1);
    let sent = sent.load(Ordering::SeqCst) as usize;
    // Without going on it would be the first 16 MiB twice.
    assert!((size..size + (6 << 20)).contains(&sent), "{sent} bytes for {size}");
    let log = lab.log();
    let puts = log.iter().filter(|l| l["method"] == "PUT" && l["path"].as_str().unwrap().contains("/uploads/"));
    let asked = log.iter().filter(|l| l["method"] == "GET" && l["path"].as_str().unwrap().contains("/uploads/"));
    assert!(puts.count() >= 2 && asked.count() == 1, "asked once what is there");
    let seen = lab.store().verify().unwrap();
    assert!(seen.findings.is_empty() && seen.bytes > size as u64, "{seen:?}");
}

/// A registry whose every answer is `body`.
async fn hostile(body: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let app = axum::Router::new().fallback(move || std::future::ready(body.clone()));
    tokio::spawn(async move { axum::serve(listener, app).await });
    address
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn manifests_that_mean_no_good_bring_nothing() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let manifest = |config: &str, size: &str| {
        format!(r#"{{"schemaVersion":2,"config":{{"mediaType":"x","digest":"{config}","size":{size}}},"layers":[]}}"#)
    };
    let hex = "ab".repeat(32);
    let cases = [
        ("larger than a manifest may be", " ".repeat(5 << 20), "AL-REG-008"),
        ("nested without end", "[".repeat(1 << 20), "AL-REG-005"),
        ("a digest that leads elsewhere", manifest("sha256:../../../../etc/passwd", "1"), "AL-REG-005"),
        ("a digest that is none", manifest(&format!("sha256:{hex}/.."), "1"), "AL-REG-005"),
        ("a size below nothing", manifest(&format!("sha256:{hex}"), "-1"), "AL-REG-005"),
        ("a blob that is another one", manifest(&format!("sha256:{hex}"), "7"), "AL-REG-006"),
    ];
    for (what, body, id) in cases {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("store")).unwrap();
        let reference = format!("http://{}/library/one:1", hostile(body).await);
        let sources = vec![Source::Registry { reference, ca_pem: None }];
        let one = Image { reference: "docker.io/library/one:1".into(), digest: None, sources };
        let options = Options { retries: 0, ..Options::default() };
        let report = mirror_to(&[one], Target::Store(&store), &options, &Silent).await.unwrap();
        assert_eq!(report.failed[0].1.id(), id, "{what}: {}", report.failed[0].1);
        assert!(store.catalog().unwrap().is_empty() && store.verify().unwrap().blobs == 0, "{what}");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "{what}: nothing beside the store");
    }
}
