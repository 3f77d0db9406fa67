use std::sync::Arc;
use std::time::{Duration, Instant};

use machine::{Cmd, Exec, ExecError, KeyPair, RemoteFile, Ssh, SshError};
use steps::{Problem, Silent};

use crate::sshd::Sshd;

const SOON: Duration = Duration::from_secs(20);

fn sh(script: &str) -> Cmd {
    Cmd::new("sh").args(["-c", script])
}

#[tokio::test]
async fn a_command_runs_with_words_input_output_and_exit_code_intact() {
    let Some(sshd) = Sshd::start() else { return };
    let node = Ssh::connect(&sshd.target, SOON).await.unwrap();
    let words = ["it's", "a \"b\" $HOME", "", "; echo no", "*", "é\n"];
    let out = node.run(&Cmd::new("printf").arg("[%s]").args(words)).await.unwrap();
    assert_eq!(String::from_utf8(out.stdout).unwrap(), words.map(|w| format!("[{w}]")).concat());

    let big: Vec<u8> = (0..5_000_000_u32).map(|i| (i % 251) as u8).collect();
    let out = node.run(&sh("cat; echo done >&2; exit 3").stdin(big.clone())).await.unwrap();
    assert_eq!((out.code, out.error_text().as_str(), out.stdout == big), (3, "done", true));

    let out = node.run(&Cmd::new("pwd").dir("/usr/bin").env("X", "y z")).await.unwrap();
    assert_eq!(out.text(), "/usr/bin");
    let out = node.run(&sh("kill -TERM $$")).await.unwrap();
    assert_eq!(out.code, 143);
    let failed = node.run_ok(&Cmd::new("false")).await.unwrap_err();
    assert_eq!(failed.id(), "AL-EXE-005");
}

#[tokio::test]
async fn input_that_nobody_reads_does_not_hang() {
    let Some(sshd) = Sshd::start() else { return };
    let node = Ssh::connect(&sshd.target, SOON).await.unwrap();
    let out = node.run(&sh("exit 4").stdin(vec![0_u8; 8_000_000]).timeout(SOON)).await.unwrap();
    assert_eq!(out.code, 4);
}

#[tokio::test]
async fn many_commands_share_one_connection() {
    let Some(sshd) = Sshd::start() else { return };
    let node = Ssh::connect(&sshd.target, SOON).await.unwrap();
    let parent = sh("echo $PPID");
    let (a, b, c) = tokio::join!(node.run_ok(&parent), node.run_ok(&parent), node.run_ok(&parent));
    let (a, b, c) = (a.unwrap().text(), b.unwrap().text(), c.unwrap().text());
    assert!(a == b && b == c, "{a} {b} {c}");
}

#[tokio::test]
async fn another_host_key_stops_everything_at_once() {
    let Some(sshd) = Sshd::start() else { return };
    let mut target = sshd.target.clone();
    target.host_key = KeyPair::generate("other").unwrap().public_openssh();
    let start = Instant::now();
    let error = Ssh::wait(&target, SOON, &Silent).await.unwrap_err();
    assert!(matches!(error, SshError::HostKeyChanged { .. }), "{error:?}");
    assert_eq!(error.id(), "AL-SSH-002");
    assert!(start.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn an_unknown_key_is_refused() {
    let Some(sshd) = Sshd::start() else { return };
    let mut target = sshd.target.clone();
    target.key = Arc::new(KeyPair::generate("stranger").unwrap());
    assert_eq!(Ssh::connect(&target, SOON).await.unwrap_err().id(), "AL-SSH-003");
}

#[tokio::test]
async fn a_deadline_a_broken_line_and_a_dead_server_are_three_different_things() {
    let Some(mut sshd) = Sshd::start() else { return };
    let node = Ssh::connect(&sshd.target, SOON).await.unwrap();
    let late = node.run(&Cmd::new("sleep").arg("3").timeout(Duration::from_millis(200))).await.unwrap_err();
    assert!(matches!(late, ExecError::TimedOut { .. }), "{late:?}");

    let ended = node.run(&sh("kill -9 $PPID; sleep 5")).await;
    assert!(matches!(ended, Err(ExecError::Lost { .. })), "{ended:?}");
    // The connection is gone, the server is not: the next command gets a new connection.
    assert_eq!(node.run_ok(&Cmd::new("echo").arg("back")).await.unwrap().text(), "back");

    sshd.stop();
    let refused = async {
        for _ in 0..50 {
            match node.run(&Cmd::new("true")).await {
                Err(ExecError::NotStarted { .. }) => return true,
                _ => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        }
        false
    };
    node.close().await;
    assert!(refused.await);
    sshd.restart();
    Ssh::wait(&sshd.target, SOON, &Silent).await.unwrap().run_ok(&Cmd::new("true")).await.unwrap();
}

#[tokio::test]
async fn files_arrive_whole_and_only_when_they_differ() {
    let Some(sshd) = Sshd::start() else { return };
    let node = Ssh::connect(&sshd.target, SOON).await.unwrap();
    let base = sshd.dir.path().join("new dir's");
    let file = |name: &str, bytes: &[u8], mode| RemoteFile {
        path: base.join(name).display().to_string(),
        bytes: bytes.to_vec(),
        mode,
    };
    let mut files = [file("a", b"one\n", 0o600), file("b", b"", 0o644), file("c/d", &[0, 10, 255, 10, 0], 0o755)];
    assert_eq!(node.upload(&files, false).await.unwrap().len(), 3);
    assert_eq!(node.upload(&files, false).await.unwrap(), Vec::<String>::new());
    for f in &files {
        assert_eq!(std::fs::read(&f.path).unwrap(), f.bytes);
    }
    files[1].bytes = b"two".to_vec();
    files[2].mode = 0o700;
    assert_eq!(node.upload(&files, false).await.unwrap(), [files[1].path.clone(), files[2].path.clone()]);
    assert_eq!(node.upload(&files, false).await.unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn the_hardened_server_of_our_nodes_lets_us_in() {
    // The test runs as whoever runs it, often root; its host key lies elsewhere.
    let ours = include_str!("../../../../guest/sshd-airlab.conf")
        .replace("PermitRootLogin no", "PermitRootLogin prohibit-password");
    let lines: String = ours.lines().filter(|l| !l.starts_with("HostKey ")).map(|l| format!("{l}\n")).collect();
    let Some(sshd) = Sshd::with(&lines) else { return };
    let node = Ssh::connect(&sshd.target, SOON).await.unwrap();
    let big = vec![7_u8; 1_000_000];
    assert_eq!(node.run_ok(&Cmd::new("cat").stdin(big.clone())).await.unwrap().stdout, big);
}
