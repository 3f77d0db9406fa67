//! Bad lines, busy servers, servers that ask who is there, and a process that is killed.

use std::path::Path;
use std::time::{Duration, Instant};

use registry_mirror::{Credentials, Image, MirrorReport, Options, Platforms, Source, Store, Target, mirror_to};
use steps::{Problem, Silent};

use crate::Lab;
use crate::fake::{Fake, Manners};

fn layer(size: usize) -> Vec<u8> {
    (0..size as u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect()
}

fn image(name: String) -> Image {
    let sources = vec![Source::Registry { reference: name, ca_pem: None }];
    Image { reference: "docker.io/library/one:1".into(), digest: None, sources }
}

async fn into(dir: &Path, fake: &Fake, options: &Options) -> MirrorReport {
    let store = Store::open(dir).unwrap();
    mirror_to(&[image(fake.name())], Target::Store(&store), options, &Silent).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_blob_goes_on_where_its_connection_broke() {
    let size = 3 << 20;
    let fake = Fake::start(layer(size), Manners { cuts: vec![500_000, 1 << 20], ..Manners::default() }).await;
    let dir = tempfile::tempdir().unwrap();
    let options = Options { retry_wait: Duration::from_millis(10), ..Options::default() };
    let report = into(dir.path(), &fake, &options).await.complete().unwrap();
    assert_eq!((report.new.len(), report.bytes), (1, size as u64 + 2), "no byte came twice");
    let ranges: Vec<_> = fake.blob_gets().into_iter().filter_map(|(_, _, range, _)| range).collect();
    assert_eq!(ranges, ["bytes=1048576-", "bytes=1548576-"]);
    assert!(Store::open(dir.path()).unwrap().verify().unwrap().findings.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_busy_server_is_left_alone_for_as_long_as_it_asks() {
    let fake = Fake::start(layer(1000), Manners { busy: 2, ..Manners::default() }).await;
    let dir = tempfile::tempdir().unwrap();
    let begun = Instant::now();
    let options = Options { retry_wait: Duration::from_millis(1), ..Options::default() };
    into(dir.path(), &fake, &options).await.complete().unwrap();
    assert!(begun.elapsed() >= Duration::from_secs(2), "{:?}", begun.elapsed());

    let fake = Fake::start(layer(1000), Manners { busy: 100, ..Manners::default() }).await;
    let options = Options { retries: 1, ..options };
    let report = into(&dir.path().join("other"), &fake, &options).await;
    assert_eq!((report.failed[0].1.id(), fake.seen.lock().unwrap().len()), ("AL-REG-008", 2));
    assert!(report.failed[0].1.to_string().contains("429"), "{}", report.failed[0].1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn registries_that_ask_are_shown_what_the_files_hold() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("config.json");
    // user:secret
    let shown = "Basic dXNlcjpzZWNyZXQ=";
    let logged_in = |fake: &Fake| {
        let config = serde_json::json!({ "auths": { &fake.host: { "auth": "dXNlcjpzZWNyZXQ=" } } });
        std::fs::write(&file, config.to_string()).unwrap();
        Options { credentials: Credentials::in_files([file.clone()]), ..Options::default() }
    };
    let fake = Fake::start(layer(1000), Manners { basic: Some(shown.into()), ..Manners::default() }).await;
    into(&dir.path().join("basic"), &fake, &logged_in(&fake)).await.complete().unwrap();
    let asked = fake.seen.lock().unwrap().iter().filter(|(.., shown)| shown.is_none()).count();
    assert_eq!(asked, 1, "only the first request is made twice");
    let stranger = into(&dir.path().join("none"), &fake, &Options::default()).await;
    assert_eq!(stranger.failed[0].1.id(), "AL-REG-021");

    let fake = Fake::start(layer(1000), Manners { bearer: true, ..Manners::default() }).await;
    into(&dir.path().join("bearer"), &fake, &logged_in(&fake)).await.complete().unwrap();
    let seen = fake.seen.lock().unwrap().clone();
    let tokens: Vec<_> = seen.iter().filter(|(_, path, ..)| path.starts_with("/token")).collect();
    assert_eq!((tokens.len(), tokens[0].3.as_deref()), (1, Some(shown)), "one token, for the login");
    assert!(seen.iter().filter(|(_, path, ..)| path.starts_with("/v2/")).all(|(.., s)| s.as_deref() != Some(shown)));
    into(&dir.path().join("anonymous"), &fake, &Options::default()).await.complete().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_limit_on_the_line_holds() {
    let fake = Fake::start(layer(1 << 20), Manners::default()).await;
    let dir = tempfile::tempdir().unwrap();
    let begun = Instant::now();
    let options = Options { bandwidth: Some(1 << 20), ..Options::default() };
    into(dir.path(), &fake, &options).await.complete().unwrap();
    assert!(begun.elapsed() >= Duration::from_millis(750), "{:?}", begun.elapsed());
}

/// What the other test starts and kills.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "the child of the next test"]
async fn the_child_that_is_killed() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let Ok(name) = std::env::var("MIRROR_TEST_IMAGE") else { return };
    let dir = std::env::var("MIRROR_TEST_STORE").unwrap();
    let store = Store::open(Path::new(&dir)).unwrap();
    mirror_to(&[image(name)], Target::Store(&store), &Options::default(), &Silent).await.unwrap().complete().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_in_the_middle_of_120_mib_the_next_run_fetches_only_what_is_missing() {
    let size = 120 << 20;
    let fake = Fake::start(layer(size), Manners { slow: true, ..Manners::default() }).await;
    let dir = tempfile::tempdir().unwrap();
    let store = dir.path().join("store");
    let cmd = machine::Cmd::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "lines::the_child_that_is_killed"])
        .env("MIRROR_TEST_IMAGE", fake.name())
        .env("MIRROR_TEST_STORE", &store);
    let child = machine::Local.start(&cmd, &dir.path().join("log")).unwrap();
    let there = || {
        let files = std::fs::read_dir(store.join("partial")).into_iter().flatten().flatten();
        files.filter_map(|f| f.metadata().ok()).map(|m| m.len()).max().unwrap_or(0)
    };
    let begun = Instant::now();
    while there() < 60 << 20 {
        assert!(begun.elapsed() < Duration::from_secs(60) && child.ended().is_none(), "the child did not get there");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    machine::Local.run_ok(&machine::Cmd::new("kill").args(["-9", &child.pid.to_string()])).unwrap();
    while child.ended().is_none() {
        assert!(begun.elapsed() < Duration::from_secs(90));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let came = there();
    assert!((60 << 20..size as u64).contains(&came), "{came}");
    assert!(Store::open(&store).unwrap().catalog().unwrap().is_empty());

    fake.manners.lock().unwrap().slow = false;
    fake.seen.lock().unwrap().clear();
    let report = into(&store, &fake, &Options::default()).await.complete().unwrap();
    let ranges: Vec<_> = fake.blob_gets().into_iter().filter_map(|(_, _, range, _)| range).collect();
    assert_eq!(ranges, [format!("bytes={came}-")]);
    assert!(report.bytes <= size as u64 - came + 2, "{} bytes", report.bytes);
    let verified = Store::open(&store).unwrap().verify().unwrap();
    assert!(verified.findings.is_empty() && verified.bytes > size as u64, "{verified:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_image_that_fails_does_not_end_the_run_and_alternatives_are_tried() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let good = Fake::start(layer(1000), Manners::default()).await;
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let options = Options { retries: 0, ..Options::default() };
    let absent = Source::Registry { reference: format!("http://{}/no/such:1", good.host), ca_pem: None };
    let nobody = Source::Registry { reference: "http://127.0.0.1:9/library/one:1".into(), ca_pem: None };
    let mut both = image(good.name());
    both.sources.splice(0..0, [absent.clone(), nobody.clone()]);
    let lost = |name: &str, source| Image { reference: name.into(), digest: None, sources: vec![source] };
    let images = [lost("a/a:1", absent), both, lost("b/b:1", nobody)];
    let report = mirror_to(&images, Target::Store(&store), &options, &Silent).await.unwrap();
    let failed: Vec<_> = report.failed.iter().map(|(name, error)| (name.as_str(), error.id())).collect();
    assert_eq!(failed, [("a/a:1", "AL-REG-007"), ("b/b:1", "AL-REG-008")]);
    assert_eq!(report.new, ["docker.io/library/one:1"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn indexes_are_kept_whole_sparse_or_rewritten() {
    let layout = tempfile::tempdir().unwrap();
    testkit::images::write(layout.path(), 4).unwrap();
    let name = "docker.io/kubesphere/kubectl:v1.27.16";
    let image = Image { reference: name.into(), digest: None, sources: vec![Source::File(layout.path().to_owned())] };
    let bring = async |platforms: Platforms, dir: &Path| {
        let store = Store::open(dir).unwrap();
        let options = Options { platforms, ..Options::default() };
        let first = mirror_to(std::slice::from_ref(&image), Target::Store(&store), &options, &Silent).await.unwrap();
        let again = mirror_to(std::slice::from_ref(&image), Target::Store(&store), &options, &Silent).await.unwrap();
        assert_eq!(again.complete().unwrap().present.len(), 1);
        assert!(store.verify().unwrap().findings.is_empty());
        first.complete().unwrap()
    };
    let dir = tempfile::tempdir().unwrap();
    let amd64 = vec!["linux/amd64".to_owned()];
    let whole = bring(Platforms::All, &dir.path().join("whole")).await;
    let sparse = bring(Platforms::Sparse(amd64.clone()), &dir.path().join("sparse")).await;
    let rewritten = bring(Platforms::Rewritten(amd64), &dir.path().join("rewritten")).await;
    assert_eq!((whole.blobs, sparse.blobs, rewritten.blobs), (8, 4, 4));
    assert_eq!(whole.digests, sparse.digests, "a sparse index keeps its digest");
    assert_ne!(whole.digests[name], rewritten.digests[name]);
    assert_eq!(rewritten.rewritten[name], whole.digests[name], "and this is said");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_goes_into_a_tar_and_into_a_registry() {
    let layout = tempfile::tempdir().unwrap();
    let set = testkit::images::write(layout.path(), 4).unwrap();
    let from = |source: &Source| {
        let image = |name: &String| Image { reference: name.clone(), digest: None, sources: vec![source.clone()] };
        set.references.iter().map(image).collect::<Vec<_>>()
    };
    let dir = tempfile::tempdir().unwrap();
    let first = Store::open(&dir.path().join("first")).unwrap();
    let options = Options { scratch: dir.path().join("scratch"), ..Options::default() };
    let images = from(&Source::File(layout.path().to_owned()));
    let report = mirror_to(&images, Target::Store(&first), &options, &Silent).await.unwrap().complete().unwrap();

    let tars = [dir.path().join("one.tar"), dir.path().join("two.tar")];
    for tar in &tars {
        first.export(tar, &report.digests).unwrap();
    }
    assert_eq!(std::fs::read(&tars[0]).unwrap(), std::fs::read(&tars[1]).unwrap(), "the same bytes every time");
    let second = Store::open(&dir.path().join("second")).unwrap();
    let images = from(&Source::File(tars[0].clone()));
    let back = mirror_to(&images, Target::Store(&second), &options, &Silent).await.unwrap().complete().unwrap();
    assert_eq!((back.digests, back.new.len()), (report.digests, 26));

    let lab = Lab::start();
    let images = from(&Source::Store(second.root().to_owned()));
    let options = Options { ca_pem: Some(lab.ca_pem.clone()), ..options };
    let host = format!("{}/put/under", lab.host());
    let report = mirror_to(&images, Target::Registry(&host), &options, &Silent).await.unwrap().complete().unwrap();
    assert_eq!((report.new.len(), report.blobs, report.reused), (26, 84, 27));
    assert!(lab.store().catalog().unwrap().iter().all(|entry| entry.repository.starts_with("put/under/")));
}
