//! Files and downloads, with a server that misbehaves on demand.

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test may panic, and says what it does not show")]

mod bundle;
mod debian;
mod server;
mod spdx;

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use artifacts::{Pin, Store, Verdicts, check, ensure, fetch};
use steps::{Problem, Recorder, Silent};

use crate::server::{Server, Trick};

fn content() -> Vec<u8> {
    (0..200_000u32).map(|i| (i % 253) as u8).collect()
}

fn pin(sources: &[&str]) -> Pin {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("content");
    fs::write(&file, content()).unwrap();
    Pin {
        name: "k3s".into(),
        kind: "k3s".into(),
        version: "1".into(),
        size: content().len() as u64,
        sha256: check("k3s", &file, None).unwrap().sha256().into(),
        sources: sources.iter().map(|s| (*s).to_owned()).collect(),
    }
}

fn entries(dir: &Path) -> Vec<String> {
    let names = fs::read_dir(dir).into_iter().flatten().map(|e| e.unwrap().file_name().into_string().unwrap());
    names.filter(|n| n != "verdicts.json").collect()
}

#[tokio::test]
async fn a_file_is_used_in_place() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("k3s");
    fs::write(&file, content()).unwrap();
    let missing = dir.path().join("missing").display().to_string();
    let pin = pin(&[&missing, &file.display().to_string()]);
    let store = Store::new(&dir.path().join("store"));
    assert_eq!(ensure(&pin, &store, &Silent).await.unwrap().path(), file);

    let mut flipped = content();
    flipped[1000] ^= 1;
    fs::write(&file, flipped).unwrap();
    let error = ensure(&pin, &store, &Silent).await.unwrap_err();
    assert_eq!((error.id(), error.args()[2].1.as_str()), ("AL-ART-002", pin.sha256.as_str()));
    fs::write(&file, b"short").unwrap();
    assert_eq!(ensure(&pin, &store, &Silent).await.unwrap_err().id(), "AL-ART-003");
    fs::remove_file(&file).unwrap();
    assert_eq!(ensure(&pin, &store, &Silent).await.unwrap_err().id(), "AL-ART-001");
    assert_eq!(entries(&dir.path().join("store")), [""; 0]);
}

#[test]
fn a_verdict_holds_until_the_file_changes() {
    let dir = tempfile::tempdir().unwrap();
    let (file, cache) = (dir.path().join("big"), dir.path().join("cache/verdicts.json"));
    let write = |bytes: &[u8], age: u64| {
        fs::write(&file, bytes).unwrap();
        let at = SystemTime::now() - Duration::from_secs(age);
        fs::File::options().write(true).open(&file).unwrap().set_modified(at).unwrap();
    };
    write(b"one", 3600);
    let first = Verdicts::open(&cache).check("big", &file, None).unwrap();
    // The cache is what answers: its text is changed, and the answer with it.
    let text = fs::read_to_string(&cache).unwrap();
    fs::write(&cache, text.replace(first.sha256(), &"0".repeat(64))).unwrap();
    assert_eq!(Verdicts::open(&cache).check("big", &file, None).unwrap().sha256(), "0".repeat(64));
    write(b"two", 1800);
    let second = Verdicts::open(&cache).check("big", &file, None).unwrap();
    assert_ne!(second.sha256(), first.sha256());
    assert_eq!(check("big", &file, Some(second.sha256())).unwrap(), second);
    fs::write(&cache, "{ damaged").unwrap();
    assert_eq!(Verdicts::open(&cache).check("big", &file, None).unwrap(), second);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_download_is_verified_and_kept() {
    let server = Server::start(content(), vec![]);
    let dir = tempfile::tempdir().unwrap();
    let store = Store::new(dir.path()).trusting(server.ca_pem.as_str());
    let pin = pin(&[&server.url()]);
    let seen = Recorder::default();
    let artifact = ensure(&pin, &store, &seen).await.unwrap();
    assert_eq!(fs::read(artifact.path()).unwrap(), content());
    assert!(!seen.events().is_empty());
    assert_eq!(entries(dir.path()), std::slice::from_ref(&pin.sha256));
    ensure(&pin, &store, &Silent).await.unwrap();
    assert_eq!(server.requests().len(), 1, "the second time nothing is fetched");
    fs::write(artifact.path(), b"damaged").unwrap();
    ensure(&pin, &store, &Silent).await.unwrap();
    assert_eq!(fs::read(artifact.path()).unwrap(), content(), "a damaged copy is fetched again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broken_download_goes_on_where_it_was() {
    let server = Server::start(content(), vec![Trick::CutAfter(70_000), Trick::CutAfter(60_000)]);
    let dir = tempfile::tempdir().unwrap();
    let store = Store::new(dir.path()).trusting(server.ca_pem.as_str());
    let artifact = ensure(&pin(&[&server.url()]), &store, &Silent).await.unwrap();
    assert_eq!(fs::read(artifact.path()).unwrap(), content());
    assert_eq!(server.requests(), [None, Some(70_000), Some(130_000)]);

    // A server that knows no ranges begins again.
    let server = Server::start(content(), vec![Trick::CutAfter(70_000), Trick::NoRange]);
    let dir = tempfile::tempdir().unwrap();
    let store = Store::new(dir.path()).trusting(server.ca_pem.as_str());
    let artifact = ensure(&pin(&[&server.url()]), &store, &Silent).await.unwrap();
    assert_eq!(fs::read(artifact.path()).unwrap(), content());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s1_what_is_not_as_the_lock_says_is_not_kept() {
    let dir = tempfile::tempdir().unwrap();
    let mut flipped = content();
    flipped[1000] ^= 1;
    let server = Server::start(flipped, vec![]);
    let store = Store::new(dir.path()).trusting(server.ca_pem.as_str());
    assert_eq!(ensure(&pin(&[&server.url()]), &store, &Silent).await.unwrap_err().id(), "AL-ART-002");
    assert_eq!(entries(dir.path()), [""; 0]);

    let server = Server::start(b"<html>gone</html>".to_vec(), vec![]);
    let store = Store::new(dir.path()).trusting(server.ca_pem.as_str());
    assert_eq!(ensure(&pin(&[&server.url()]), &store, &Silent).await.unwrap_err().id(), "AL-ART-003");

    let stranger = Server::start(content(), vec![]);
    let error = ensure(&pin(&[&stranger.url()]), &store, &Silent).await.unwrap_err();
    assert_eq!(error.id(), "AL-ART-004");
    let nobody = ensure(&pin(&["https://127.0.0.1:9/k3s"]), &store, &Silent).await.unwrap_err();
    assert_eq!(nobody.id(), "AL-ART-004");
}

/// Whoever can change a download can change the checksum beside it as well.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s2_a_checksum_beside_the_download_is_not_even_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let mut altered = content();
    altered[0] ^= 1;
    let server = Server::start(altered, vec![]);
    let store = Store::new(dir.path()).trusting(server.ca_pem.as_str());
    assert_eq!(ensure(&pin(&[&server.url()]), &store, &Silent).await.unwrap_err().id(), "AL-ART-002");
    assert_eq!(server.requests().len(), 1);
    assert_eq!(entries(dir.path()), [""; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s1_a_file_comes_to_its_place_or_not_at_all() {
    let mut altered = content();
    altered[1000] ^= 1;
    let (wrong, right) = (Server::start(altered, vec![]), Server::start(content(), vec![]));
    let dir = tempfile::tempdir().unwrap();
    let target = dir.path().join("files/k3s");
    // one CA each: the other server's certificate is refused
    let store = Store::new(&dir.path().join("store")).trusting(wrong.ca_pem.as_str());
    let error = fetch(&pin(&[&wrong.url()]), &target, &store, &Silent).await.unwrap_err();
    assert_eq!((error.id(), entries(&dir.path().join("files")).len()), ("AL-ART-002", 0));

    let store = Store::new(&dir.path().join("store")).trusting(right.ca_pem.as_str());
    let both = pin(&[&target.display().to_string(), &wrong.url(), &right.url()]);
    let (artifact, fetched) = fetch(&both, &target, &store, &Silent).await.unwrap();
    assert_eq!((artifact.path(), fetched), (target.as_path(), true));
    assert!(!fetch(&both, &target, &store, &Silent).await.unwrap().1);
    assert_eq!(right.requests().len(), 1, "what is there is not fetched again");
    let copy = dir.path().join("copy");
    fetch(&both, &copy, &store, &Silent).await.unwrap();
    assert_eq!((fs::read(&copy).unwrap(), right.requests().len()), (content(), 1), "taken from the other path");

    fs::write(&copy, "somebody's own").unwrap();
    assert_eq!(fetch(&both, &copy, &store, &Silent).await.unwrap_err().id(), "AL-ART-003");
    assert_eq!(fs::read(&copy).unwrap(), b"somebody's own");
    // the beginning of another version does not spoil the next one
    let other = dir.path().join("other");
    fs::write(dir.path().join("other.part"), vec![7; 1000]).unwrap();
    fetch(&pin(&[&right.url()]), &other, &store, &Silent).await.unwrap();
    assert_eq!(fs::read(&other).unwrap(), content());
}
