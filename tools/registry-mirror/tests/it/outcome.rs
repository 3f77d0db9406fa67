//! Uploads that a registry ends badly: the program looks at what came of them and goes on.

use std::path::Path;
use std::time::Duration;

use machine::{Cmd, Local, Output};

use crate::moody::{Mood, Moody};
use crate::pusher::{Acknowledged, Pusher};
use crate::server::{Server, client};

const SIZE: usize = 24 << 20;
/// What is under way in sockets when a connection ends, and comes twice.
const UNDER_WAY: usize = 8 << 20;

fn layer() -> Vec<u8> {
    (0..SIZE as u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect()
}

/// An image with one large layer, mirrored by the program to a registry in these moods.
async fn mirrored(dir: &Path, moods: &[Mood], retries: u32) -> (Moody, Output) {
    let from = Server::start_as(dir, "source", &[]).await;
    let said = Acknowledged::default();
    let pusher = Pusher { client: client(dir), url: &from.url, repository: "team/large".into(), said: &said };
    pusher.push("v1", layer()).await.unwrap();
    let moody = Moody::start(moods);
    let cmd = Cmd::new(env!("CARGO_BIN_EXE_registry-mirror")).args(["mirror", "--output", "json", "--from"]);
    let cmd =
        cmd.arg(&from.host).args(["--to", &format!("http://{}", moody.host)]).arg("--ca").arg(dir.join("pki/ca.crt"));
    let cmd = cmd.args(["--retries", &retries.to_string()]).arg("--scratch").arg(dir.join("scratch"));
    let cmd = cmd.arg("docker.io/team/large:v1").timeout(Duration::from_secs(120));
    let out = tokio::task::spawn_blocking(move || Local.run(&cmd).unwrap()).await.unwrap();
    (moody, out)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_that_came_whole_without_an_answer_is_not_sent_again() {
    let dir = tempfile::tempdir().unwrap();
    let (moody, out) = mirrored(dir.path(), &[Mood::Wordless], 3).await;
    assert_eq!(out.code, 0, "{}", out.error_text());
    assert!(moody.has(&layer()) && moody.manifests() == 1);
    assert_eq!(moody.came(), SIZE, "once");
    assert!(moody.requests("GET", "/uploads/") == 1 && moody.requests("HEAD", "/blobs/sha256") == 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_whose_other_side_was_closed_goes_on_where_it_is() {
    for mood in [Mood::HalfClosed, Mood::Gone] {
        let dir = tempfile::tempdir().unwrap();
        let (moody, out) = mirrored(dir.path(), &[mood, mood], 3).await;
        assert_eq!(out.code, 0, "{mood:?}: {}", out.error_text());
        assert!(moody.has(&layer()) && moody.manifests() == 1, "{mood:?}");
        assert!((SIZE..SIZE + UNDER_WAY).contains(&moody.came()), "{mood:?}: {} bytes came", moody.came());
        assert!(moody.requests("GET", "/uploads/") >= 1, "{mood:?}: it was not asked");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_that_was_forgotten_is_begun_anew() {
    let dir = tempfile::tempdir().unwrap();
    let (moody, out) = mirrored(dir.path(), &[Mood::Forgetful, Mood::Gone, Mood::Forgetful], 3).await;
    assert_eq!(out.code, 0, "{}", out.error_text());
    assert!(moody.has(&layer()) && moody.manifests() == 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_registry_that_forgets_every_time_is_given_up() {
    let dir = tempfile::tempdir().unwrap();
    let (moody, out) = mirrored(dir.path(), &[Mood::Forgetful; 9], 1).await;
    assert!(out.code != 0 && out.text().contains("404"), "{} {}", out.code, out.text());
    assert!(!moody.has(&layer()) && moody.manifests() == 0);
    assert_eq!(moody.came(), 2 * SIZE, "the first try and one more");
}
