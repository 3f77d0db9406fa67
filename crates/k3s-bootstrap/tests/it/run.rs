use std::time::Duration;

use k3s_bootstrap::{AgentSpec, Artifact, K3sError, Login, Node, Standing, ensure_agent, save_snapshot, snapshots};
use steps::{Problem, Silent};

use crate::fake::FakeNode;

fn spec() -> AgentSpec {
    let mut node = Node::new("worker1", "192.168.6.11".parse().unwrap());
    node.registries = "mirrors: {}\n".into();
    node.deadline = Duration::from_secs(20);
    AgentSpec::new(node, "https://192.168.6.10:6443", "secret".into())
}

#[tokio::test]
async fn a_second_run_changes_nothing_and_a_changed_file_restarts_once() {
    let node = FakeNode::new();
    let first = ensure_agent(&node, &spec(), &Silent).await.unwrap();
    assert!(first.started && first.changed > 5, "{first:?}");
    let second = ensure_agent(&node, &spec(), &Silent).await.unwrap();
    assert_eq!((second.changed, node.log().as_str()), (0, "start\n"));

    // Timestamps of files and of systemd have whole seconds.
    tokio::time::sleep(Duration::from_millis(1100)).await;
    let mut other = spec();
    other.node.registries = "mirrors: {a: {}}\n".into();
    let third = ensure_agent(&node, &other, &Silent).await.unwrap();
    assert_eq!((third.written.len(), third.started, node.log().as_str()), (1, true, "start\nrestart\n"));
    assert_eq!(ensure_agent(&node, &other, &Silent).await.unwrap().changed, 0);
}

#[tokio::test]
async fn a_run_that_broke_off_between_writing_and_restarting_is_finished_by_the_next() {
    let node = FakeNode::new();
    ensure_agent(&node, &spec(), &Silent).await.unwrap();
    tokio::time::sleep(Duration::from_millis(1100)).await;
    let config = node.dir.path().join("root/etc/rancher/k3s/config.yaml");
    let text = std::fs::read(&config).unwrap();
    std::fs::write(&config, text).unwrap();
    let next = ensure_agent(&node, &spec(), &Silent).await.unwrap();
    assert!(next.started && next.written.is_empty(), "{next:?}");
}

#[tokio::test]
async fn a_service_that_does_not_stay_up_is_named_with_its_last_words() {
    let node = FakeNode::new();
    node.set("becomes", "activating");
    node.set("fails", "");
    let error = ensure_agent(&node, &spec(), &Silent).await.unwrap_err();
    assert!(matches!(error, K3sError::ServiceFailed { .. }), "{error:?}");
    assert!(error.args().iter().any(|(_, value)| value.contains("no default routes found")), "{error:?}");
}

#[tokio::test]
async fn a_node_without_a_default_route_or_with_a_resolver_of_its_own_is_refused_before_the_start() {
    let node = FakeNode::new();
    node.set("no-route", "");
    let error = ensure_agent(&node, &spec(), &Silent).await.unwrap_err();
    assert_eq!((error.id(), node.log().as_str()), ("AL-K3S-006", ""));
    let node = FakeNode::new();
    let mut spec = spec();
    spec.node.resolver = "127.0.0.53".parse().unwrap();
    let error = ensure_agent(&node, &spec, &Silent).await.unwrap_err();
    assert_eq!((error.id(), node.log().as_str()), ("AL-K3S-007", ""));
}

#[tokio::test]
async fn a_node_says_through_which_server_it_came() {
    let node = FakeNode::new();
    assert_eq!(Standing::look(&node).await.unwrap(), Standing::default());
    ensure_agent(&node, &spec(), &Silent).await.unwrap();
    std::fs::create_dir_all(node.at("/var/lib/rancher/k3s/agent")).unwrap();
    std::fs::write(node.at("/var/lib/rancher/k3s/agent/client-kubelet.crt"), "x").unwrap();
    let standing = Standing::look(&node).await.unwrap();
    assert_eq!((standing.joined.as_deref(), standing.member), (Some("https://192.168.6.10:6443"), true));
}

#[tokio::test]
async fn snapshots_are_listed_by_age_and_a_save_that_leaves_none_is_an_error() {
    let node = FakeNode::new();
    assert_eq!(snapshots(&node).await.unwrap(), []);
    let folder = node.at("/var/lib/rancher/k3s/server/db/snapshots");
    let k3s = "#!/bin/sh\n[ \"$4\" = broken ] && { echo 'level=fatal msg=\"no space left\"' >&2; exit 1; }\n\
               mkdir -p FOLDER && echo data > FOLDER/$4-master-1\n";
    let k3s = k3s.replace("FOLDER", &folder.display().to_string());
    machine::write_file(&node.at("/usr/local/bin/k3s"), k3s.as_bytes(), 0o755).unwrap();
    let saved = save_snapshot(&node, "before").await.unwrap();
    assert_eq!((saved.name.as_str(), saved.bytes), ("before-master-1", 5));
    assert_eq!(snapshots(&node).await.unwrap(), [saved]);
    let error = save_snapshot(&node, "broken").await.unwrap_err();
    assert_eq!(error.id(), "AL-K3S-010");
    assert!(error.args()[1].1.contains("no space left"), "{error:?}");
}

#[tokio::test]
async fn a_file_that_cannot_be_fetched_stops_before_the_service() {
    let node = FakeNode::new();
    let mut spec = spec();
    spec.node.artifacts.push(Artifact::binary("https://127.0.0.1:9/v2/k3s", "0".repeat(64)));
    node.set("bin/curl", "#!/bin/sh\necho 'curl: (60) SSL certificate problem' >&2; exit 60\n");
    use_program(&node, "curl");
    let error = ensure_agent(&node, &spec, &Silent).await.unwrap_err();
    assert_eq!(error.id(), "AL-K3S-001");
    assert_eq!(node.log(), "");
}

#[tokio::test]
async fn a_fetched_file_has_its_digest_or_no_name() {
    let node = FakeNode::new();
    let mut spec = spec();
    let good = machine::sha256(b"the binary\n");
    spec.node.artifacts.push(Artifact::binary("https://registry/k3s", good));
    let curl = |text: &str| {
        let script = format!("#!/bin/sh\nwhile [ \"$1\" != --output ]; do shift; done\nprintf '{text}' > \"$2\"\n");
        node.set("bin/curl", &script);
        use_program(&node, "curl");
    };
    curl("something else\\n");
    assert_eq!(ensure_agent(&node, &spec, &Silent).await.unwrap_err().id(), "AL-K3S-001");
    assert!(!node.at("/usr/local/bin/k3s").exists());
    curl("the binary\\n");
    let report = ensure_agent(&node, &spec, &Silent).await.unwrap();
    assert_eq!(report.fetched.len(), 1);
    assert_eq!(std::fs::read(node.at("/usr/local/bin/k3s")).unwrap(), b"the binary\n");
    assert_eq!(ensure_agent(&node, &spec, &Silent).await.unwrap().changed, 0);
}

#[tokio::test]
async fn a_login_reaches_curl_by_its_standard_input() {
    let node = FakeNode::new();
    let mut spec = spec();
    spec.node.artifacts.push(Artifact::binary("https://registry/k3s", machine::sha256(b"the binary\n")));
    spec.node.login = Some(Login { user: "anna".into(), password: "a \\ \"b\"  c".into() });
    let here = node.dir.path().display();
    let script = format!(
        "#!/bin/sh\necho \"$*\" > {here}/words\ncat > {here}/config\nwhile [ \"$1\" != --output ]; do shift; done\n\
         printf 'the binary\\n' > \"$2\"\n"
    );
    node.set("bin/curl", &script);
    use_program(&node, "curl");
    assert_eq!(ensure_agent(&node, &spec, &Silent).await.unwrap().fetched.len(), 1);
    let read = |name: &str| std::fs::read_to_string(node.dir.path().join(name)).unwrap();
    assert_eq!(read("config"), "user = \"anna:a \\\\ \\\"b\\\"  c\"\n");
    assert!(!read("words").contains("anna") && !format!("{spec:?}").contains("\\\\"), "{spec:?}");
    spec.node.login = None;
    std::fs::remove_file(node.at("/usr/local/bin/k3s")).unwrap();
    ensure_agent(&node, &spec, &Silent).await.unwrap();
    assert_eq!(read("config"), "\n");
}

fn use_program(node: &FakeNode, name: &str) {
    use std::os::unix::fs::PermissionsExt;
    let path = node.dir.path().join("bin").join(name);
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}
