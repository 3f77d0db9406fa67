use std::path::Path;
use std::time::{Duration, Instant};

use machine::{Cmd, Local};
use serde_json::Value;

use crate::pusher::{Acknowledged, Pusher};
use crate::server::{Server, client};

const SIZE: usize = 120 << 20;
/// What may be under way between the source and the killed process: sockets and pieces that were not yet written.
const UNDER_WAY: u64 = 16 << 20;

/// A mirror of the image of `from` to the registry `to`, or into a store.
fn mirror(dir: &Path, from: &Server, to: &[&str]) -> Cmd {
    let cmd = Cmd::new(env!("CARGO_BIN_EXE_registry-mirror")).args(["mirror", "--output", "json", "--from"]);
    let cmd = cmd.arg(&from.host).args(to.iter().copied()).arg("--ca").arg(dir.join("pki/ca.crt"));
    cmd.arg("--scratch").arg(dir.join("scratch")).arg("docker.io/team/large:v1")
}

/// Requests for the large blob at the source: status and bytes.
fn blob_gets(dir: &Path) -> Vec<(u64, u64)> {
    let text = std::fs::read_to_string(dir.join("source.requests")).unwrap_or_default();
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let blobs = lines.filter(|l| l["method"] == "GET" && l["path"].as_str().unwrap().contains("/blobs/sha256"));
    blobs.map(|l| (l["status"].as_u64().unwrap(), l["bytes"].as_u64().unwrap())).filter(|(_, n)| *n > 1000).collect()
}

/// Kills a mirror run when it has a third of the blob, and lets another one end its work. `partials` is where the
/// first keeps what it has.
async fn killed_and_run_again(dir: &Path, to: &[&str], partials: &Path) {
    let from = Server::start_as(dir, "source", &[]).await;
    let said = Acknowledged::default();
    let layer: Vec<u8> = (0..SIZE as u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let pusher = Pusher { client: client(dir), url: &from.url, repository: "team/large".into(), said: &said };
    pusher.push("v1", layer).await.unwrap();

    let slowly = mirror(dir, &from, to).args(["--bandwidth", "40M"]);
    let running = Local.start(&slowly, &dir.join("mirror.log")).unwrap();
    let came = || {
        let files = std::fs::read_dir(partials).into_iter().flatten().flatten();
        files.filter_map(|f| f.metadata().ok()).map(|m| m.len()).max().unwrap_or(0)
    };
    let begun = Instant::now();
    while came() < SIZE as u64 / 3 {
        let log = || std::fs::read_to_string(dir.join("mirror.log")).unwrap();
        assert!(begun.elapsed() < Duration::from_secs(90) && running.ended().is_none(), "{}", log());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Local.run_ok(&Cmd::new("kill").args(["-9", &running.pid.to_string()])).unwrap();
    while running.ended().is_none() || blob_gets(dir).is_empty() {
        assert!(begun.elapsed() < Duration::from_secs(120), "the source noticed it");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let came = came();
    assert!((SIZE as u64 / 3..SIZE as u64).contains(&came), "{came}");
    let first = blob_gets(dir);
    assert!(first.len() == 1 && first[0].1 <= came + UNDER_WAY, "{first:?}, {came} kept");

    let again = mirror(dir, &from, to).timeout(Duration::from_secs(120));
    let out = tokio::task::spawn_blocking(move || Local.run_ok(&again).unwrap()).await.unwrap();
    let report: Value = serde_json::from_slice(&out.stdout).unwrap();
    assert_eq!((&report["changed"], report["new"].as_array().unwrap().len()), (&1.into(), 1), "{report}");
    let missing = SIZE as u64 - came;
    assert_eq!(blob_gets(dir)[1..], [(206, missing)], "only the missing bytes");
    assert!(!partials.exists() || std::fs::read_dir(partials).unwrap().count() == 0);
    let digest = said.images.lock().unwrap()[0].2.to_string();
    assert_eq!(report["digests"]["docker.io/team/large:v1"], digest);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_in_the_middle_of_120_mib_into_a_store_only_the_missing_bytes_are_fetched() {
    let dir = tempfile::tempdir().unwrap();
    let store = dir.path().join("store");
    killed_and_run_again(dir.path(), &["--store", &store.display().to_string()], &store.join("partial")).await;
    let verified = registry_mirror::Store::open(&store).unwrap().verify().unwrap();
    assert!(verified.findings.is_empty() && verified.bytes > SIZE as u64, "{verified:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_in_the_middle_of_120_mib_to_a_registry_only_the_missing_bytes_are_fetched() {
    let dir = tempfile::tempdir().unwrap();
    let to = Server::start_as(dir.path(), "target", &[]).await;
    killed_and_run_again(dir.path(), &["--to", &to.host], &dir.path().join("scratch/partial")).await;
    let verified = registry_mirror::Store::open(&dir.path().join("target")).unwrap().verify().unwrap();
    assert!(verified.findings.is_empty() && verified.bytes > SIZE as u64, "{verified:?}");
}
