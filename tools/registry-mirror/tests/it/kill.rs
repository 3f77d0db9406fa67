use std::time::Duration;

use registry_mirror::Store;

use crate::pusher::{Acknowledged, Pusher};
use crate::server::{Server, client};

/// Fifty clients push; the registry is killed in the middle of it, three times. What it said it has, it has.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_by_kill_9_during_50_pushes() {
    let dir = tempfile::tempdir().unwrap();
    let said = Acknowledged::default();
    for round in 0..3u8 {
        let server = Server::start(dir.path(), &[]).await;
        let one = |i: u8| {
            let repository = format!("team{}/app{i}", i % 7);
            let pusher = Pusher { client: client(dir.path()), url: &server.url, repository, said: &said };
            async move {
                let mut n = 0u32;
                // The same tag again and again, and layers that others push at the same time.
                while pusher
                    .push("latest", [&[round, i % 5][..], &n.to_be_bytes(), &vec![7; 70_000]].concat())
                    .await
                    .is_some()
                {
                    n += 1;
                }
            }
        };
        let pushes = futures_util::future::join_all((0..50).map(one));
        let power_cut = async {
            let before = said.images.lock().unwrap().len();
            let enough = || said.images.lock().unwrap().len() >= before + 60;
            for _ in 0..600 {
                if enough() {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            server.kill();
        };
        tokio::join!(pushes, power_cut);
        assert!(said.refused.lock().unwrap().is_empty(), "{:?}", said.refused.lock().unwrap());

        let store = Store::open(&dir.path().join("store")).unwrap();
        let verified = store.verify().unwrap();
        assert!(verified.findings.is_empty(), "{:?}", verified.findings);
    }

    // Another server on the same folder has it all, byte for byte.
    let server = Server::start(dir.path(), &[]).await;
    let client = client(dir.path());
    let (blobs, images) = (said.blobs.lock().unwrap().clone(), said.images.lock().unwrap().clone());
    assert!(images.len() >= 180, "{}", images.len());
    for (repository, digest) in &blobs {
        let answer = client.head(format!("{}/v2/{repository}/blobs/{digest}", server.url)).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{repository} {digest}");
    }
    for (repository, tag, digest) in &images {
        for reference in [tag.clone(), digest.to_string()] {
            let url = format!("{}/v2/{repository}/manifests/{reference}", server.url);
            let answer = client.get(url).send().await.unwrap();
            assert_eq!(answer.status(), 200, "{repository}:{reference}");
            let described = answer.headers()["docker-content-digest"].to_str().unwrap().to_owned();
            let bytes = answer.bytes().await.unwrap();
            assert_eq!(registry_mirror::Digest::of(&bytes).to_string(), described, "no torn manifest");
        }
    }
}
