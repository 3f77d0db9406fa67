use registry_mirror::Store;

use crate::pusher::{Acknowledged, Pusher};
use crate::server::{Server, client};

/// A store on a disk of 12 MiB, in a mount namespace of its own: pushes are refused, the rest goes on, and what was
/// acknowledged is whole.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let store = dir.path().join("store");
    std::fs::create_dir_all(&store).unwrap();
    let mount = format!("mount -t tmpfs -o size=12m none {} && exec \"$@\"", store.display());
    let server = Server::start(dir.path(), &["unshare", "-rm", "sh", "-c", &mount, "sh"]).await;
    let said = Acknowledged::default();
    let pusher = Pusher { client: client(dir.path()), url: &server.url, repository: "a".into(), said: &said };
    let mut pushed = 0u32;
    while pusher.push(&format!("v{pushed}"), [&pushed.to_be_bytes()[..], &vec![3; 1 << 20]].concat()).await.is_some() {
        pushed += 1;
        assert!(pushed < 20, "twelve MiB hold no twenty");
    }
    assert!(pushed > 3, "{pushed}");
    let refused = said.refused.lock().unwrap().clone();
    assert_eq!(refused.len(), 1);
    assert_eq!(refused[0].0, 507, "{refused:?}");
    assert!(refused[0].1.contains("disk is full"), "{refused:?}");

    // Reading goes on.
    let images = said.images.lock().unwrap().clone();
    for (repository, tag, digest) in &images {
        let url = format!("{}/v2/{repository}/manifests/{tag}", server.url);
        let bytes = client(dir.path()).get(url).send().await.unwrap().bytes().await.unwrap();
        assert_eq!(registry_mirror::Digest::of(&bytes), *digest);
    }
    // Seen through the server's own root: the disk is only in its namespace.
    let inside = format!("/proc/{}/root{}", server.process.pid, store.display());
    let verified = Store::open(std::path::Path::new(&inside)).unwrap().verify().unwrap();
    assert!(verified.findings.is_empty(), "{:?}", verified.findings);
    assert!(verified.blobs >= 3 * pushed as usize);
}
