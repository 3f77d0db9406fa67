//! Garbage, and damage.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use registry_mirror::{Digest, Finding, GarbageSpec};

use crate::Lab;
use crate::spec::{IMAGE, descriptor, digest_of, image, index};

impl Lab {
    fn data(&self, digest: &Digest) -> PathBuf {
        let hex = digest.hex();
        self.dir.path().join(format!("store/docker/registry/v2/blobs/sha256/{}/{hex}/data", &hex[..2]))
    }

    /// Everything in the store was written two hours ago.
    fn age(&self) {
        fn walk(dir: &std::path::Path) {
            for entry in fs::read_dir(dir).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    walk(&path);
                } else {
                    let then = SystemTime::now() - Duration::from_secs(7200);
                    fs::File::options().write(true).open(path).unwrap().set_modified(then).unwrap();
                }
            }
        }
        walk(&self.dir.path().join("store"));
    }
}

#[tokio::test]
async fn only_garbage_is_collected() {
    let lab = Lab::start();
    let (_, kept) = lab.image("a", "v1").await;
    let (_, child) = lab.image("a", "child").await;
    assert_eq!(lab.manifest("a", "list", &index(&[&child])).await.status, 201);
    let mut about = image(&lab.blob("a", b"{}").await);
    about["subject"] = descriptor(IMAGE, &kept, 1);
    let referrer = digest_of(&about).to_string();
    assert_eq!(lab.manifest("a", &referrer, &about).await.status, 201);
    let (_, lost) = lab.image("a", "lost").await;
    for tag in ["child", "lost"] {
        assert_eq!(lab.send("DELETE", &format!("/v2/a/manifests/{tag}"), &[], vec![]).await.status, 202);
    }
    let orphan = lab.blob("b", b"orphan").await;
    let upload = lab.upload("c").await;

    let store = lab.store();
    let now = GarbageSpec::default();
    assert_eq!(store.collect_garbage(&now).unwrap(), Default::default(), "all of it is young");
    lab.age();
    let seen = store.collect_garbage(&now).unwrap();
    assert_eq!((seen.manifests, seen.links, seen.blobs, seen.bytes), (0, 1, 1, 6));
    assert!(store.blob_size(&orphan).is_none());
    assert_eq!(lab.get(&upload).await.status, 204);

    let seen = store.collect_garbage(&GarbageSpec { untagged: true, uploads: Duration::ZERO, ..now }).unwrap();
    assert_eq!((seen.manifests, seen.links, seen.blobs, seen.uploads), (1, 1, 2, 1), "manifest and config");
    assert_eq!(lab.get(&format!("/v2/a/manifests/{lost}")).await.status, 404);
    for reference in ["v1", "list", &child.to_string(), &referrer] {
        assert_eq!(lab.get(&format!("/v2/a/manifests/{reference}")).await.status, 200, "{reference}");
    }
    assert!(store.verify().unwrap().findings.is_empty());
}

/// What killed mirror runs left in the store goes once it is old, unless a run is at it again.
#[tokio::test]
async fn half_brought_blobs_are_collected() {
    let lab = Lab::start();
    lab.image("a", "v1").await;
    let partial = lab.dir.path().join("store/partial");
    fs::create_dir_all(&partial).unwrap();
    for name in ["sha256-ab", "sha256-cd", "unpacked-xyz"] {
        fs::write(partial.join(name), b"half").unwrap();
    }
    let collect = |uploads| lab.store().collect_garbage(&GarbageSpec { uploads, ..GarbageSpec::default() }).unwrap();
    let hour = Duration::from_secs(3600);
    assert_eq!(collect(hour).partials, 0, "young");
    lab.age();
    let used = fs::File::options().write(true).open(partial.join("sha256-cd")).unwrap();
    used.lock().unwrap();
    assert_eq!(collect(3 * hour), Default::default(), "younger than asked for");
    assert_eq!(collect(hour).partials, 2);
    assert!(partial.join("sha256-cd").exists(), "in use");
    drop(used);
    assert_eq!((collect(hour).partials, partial.exists()), (1, false));
    assert!(lab.store().verify().unwrap().findings.is_empty());
}

#[tokio::test]
async fn what_a_pusher_asked_for_stays() {
    let lab = Lab::start();
    let asked = lab.blob("a", b"asked for").await;
    let mounted = lab.blob("a", b"mounted").await;
    let forgotten = lab.blob("a", b"forgotten").await;
    lab.age();
    assert_eq!(lab.send("HEAD", &format!("/v2/a/blobs/{asked}"), &[], vec![]).await.status, 200);
    let mount = format!("/v2/b/blobs/uploads/?mount={mounted}&from=a");
    assert_eq!(lab.send("POST", &mount, &[], vec![]).await.status, 201);
    let seen = lab.store().collect_garbage(&GarbageSpec::default()).unwrap();
    assert_eq!((seen.links, seen.blobs), (1, 1));
    assert!(lab.store().blob_size(&forgotten).is_none());
    assert_eq!(lab.manifest("a", "v1", &image(&asked)).await.status, 201);
    assert_eq!(lab.manifest("b", "v1", &image(&mounted)).await.status, 201);
    assert!(lab.store().verify().unwrap().findings.is_empty());
}

/// Pushes, moves and deletions go on while garbage is collected all the time; every push that was acknowledged is whole.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn garbage_is_collected_while_serving() {
    let lab = Lab::start();
    let done = AtomicBool::new(false);
    let store = lab.store();
    std::thread::scope(|scope| {
        let collector = scope.spawn(|| {
            let spec = GarbageSpec { grace: Duration::from_secs(3), untagged: true, ..GarbageSpec::default() };
            let mut removed = 0;
            while !done.load(Ordering::SeqCst) {
                removed += store.collect_garbage(&spec).unwrap().blobs;
            }
            removed
        });
        let (pusher, done) = (&lab, &done);
        let push = async move |i: usize| {
            let begun = std::time::Instant::now();
            let mut round = 0;
            while begun.elapsed() < Duration::from_secs(7) {
                // Layers come back again and again: some of them are just then about to be removed.
                let layer = pusher.blob("a", format!("layer {}", (round + i) % 5).as_bytes()).await;
                let own = pusher.blob("a", format!("own {i} {round}").as_bytes()).await;
                let mut body = image(&own);
                body["layers"] = serde_json::json!([descriptor("application/x", &layer, 7)]);
                let put = pusher.manifest("a", &format!("t{i}"), &body).await;
                assert_eq!(put.status, 201, "{}", String::from_utf8_lossy(&put.body));
                round += 1;
            }
        };
        tokio::task::block_in_place(|| {
            tokio::runtime::Handle::current().block_on(futures_util::future::join_all((0..4).map(push)));
        });
        done.store(true, Ordering::SeqCst);
        assert!(collector.join().unwrap() > 0, "something was removed meanwhile");
    });
    let seen = store.verify().unwrap();
    assert!(seen.findings.is_empty(), "{:?}", seen.findings);
}

#[tokio::test]
async fn damage_is_named() {
    let lab = Lab::start();
    let layers = [lab.blob("a", b"flipped bit").await, lab.blob("a", b"truncated").await, lab.blob("a", b"lost").await];
    let mut body = image(&lab.blob("a", b"{}").await);
    body["layers"] = layers.iter().map(|l| descriptor("application/x", l, 1)).collect();
    assert_eq!(lab.manifest("a", "v1", &body).await.status, 201);
    let (_, torn) = lab.image("b", "torn").await;
    lab.image("b", "link").await;
    assert!(lab.store().verify().unwrap().findings.is_empty());

    let mut bytes = fs::read(lab.data(&layers[0])).unwrap();
    bytes[3] ^= 1;
    fs::write(lab.data(&layers[0]), bytes).unwrap();
    fs::File::options().write(true).open(lab.data(&layers[1])).unwrap().set_len(4).unwrap();
    fs::remove_file(lab.data(&layers[2])).unwrap();
    fs::write(lab.data(&torn), b"{\"schemaVersion\":2,").unwrap();
    let link = lab.dir.path().join("store/docker/registry/v2/repositories/b/_manifests/tags/link/current/link");
    fs::write(link, b"sha256:").unwrap();

    let findings = lab.store().verify().unwrap().findings;
    let this = format!("a@{}", digest_of(&body));
    let named = |digest: &Digest, by: &str| {
        findings.iter().any(|finding| match finding {
            Finding::Damaged { digest: d, used_by, .. } => *d == digest.to_string() && used_by.iter().any(|u| u == by),
            Finding::Missing { digest: d, needed_by } => *d == digest.to_string() && needed_by == by,
            Finding::BadLink { .. } => false,
        })
    };
    for layer in &layers {
        assert!(named(layer, &this), "{layer}: {findings:?}");
    }
    assert!(named(&torn, "b:torn") && findings.contains(&Finding::BadLink { tag: "b:link".into() }), "{findings:?}");
    assert_eq!(findings.len(), 5);
    // A damaged manifest is not handed out by a server that starts now, and a damaged blob heals with the next push.
    let lab = lab.restarted().await;
    assert_eq!(lab.get("/v2/b/manifests/torn").await.status, 500);
    lab.blob("a", b"truncated").await;
    lab.blob("a", b"lost").await;
    assert_eq!(lab.store().verify().unwrap().findings.len(), 3);
}
