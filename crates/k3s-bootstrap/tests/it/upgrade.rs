use std::time::Duration;

use k3s_bootstrap::{AgentSpec, Expected, K3sError, Node, Unit, Upgrade, agent_files, ensure_agent, upgrade_node};
use machine::RemoteFile;
use serde_json::Value;
use steps::{Problem, Silent};

use crate::api::{NODE, Patches, cluster};
use crate::fake::FakeNode;

const PROGRAM: &str = "/usr/local/bin/k3s";

fn spec(program: &str) -> AgentSpec {
    let mut node = Node::new(NODE, "192.168.6.11".parse().unwrap());
    node.deadline = Duration::from_secs(20);
    node.registries = format!("# for {program}\n").into();
    node.files = vec![RemoteFile { path: PROGRAM.into(), bytes: program.as_bytes().to_vec(), mode: 0o755 }];
    AgentSpec::new(node, "https://192.168.6.10:6443", "secret".into())
}

fn how() -> Upgrade {
    let gate = Expected { nodes: vec![NODE.into()], ..Expected::default() };
    Upgrade { patience: Duration::from_secs(5), ..Upgrade::new(gate) }
}

/// A node that runs `v1`; files and systemd have whole seconds.
async fn running() -> FakeNode {
    let node = FakeNode::new();
    ensure_agent(&node, &spec("v1"), &Silent).await.unwrap();
    tokio::time::sleep(Duration::from_millis(1100)).await;
    node
}

fn takes_pods(patches: &Patches) -> Vec<bool> {
    let seen = patches.lock().unwrap();
    seen.iter().filter_map(|p: &Value| p["spec"]["unschedulable"].as_bool()).map(|off| !off).collect()
}

#[tokio::test]
async fn a_node_that_is_healthy_with_another_program_keeps_it() {
    let node = running().await;
    let (cluster, patches) = cluster(&node).await;
    let wanted = spec("v2");
    let files = agent_files(&wanted).unwrap();
    let done = upgrade_node(&cluster, &node, &wanted.node, Unit::Agent, &files, &how(), &Silent).await.unwrap();
    assert_eq!((done.version.as_str(), done.report.started), ("v2", true));
    assert_eq!(std::fs::read_to_string(node.at(PROGRAM)).unwrap(), "v2");
    assert_eq!(takes_pods(&patches).first(), Some(&false), "it was drained first");
}

#[tokio::test]
async fn a_node_that_is_not_healthy_with_another_program_gets_the_old_one_and_its_files_back() {
    let node = running().await;
    let (cluster, _) = cluster(&node).await;
    let wanted = spec("v2 unhealthy");
    let files = agent_files(&wanted).unwrap();
    let error = upgrade_node(&cluster, &node, &wanted.node, Unit::Agent, &files, &how(), &Silent).await.unwrap_err();
    let K3sError::Reverted { version, why, .. } = &error else { panic!("{error:?}") };
    assert_eq!((version.as_str(), why.id(), error.id()), ("v1", "AL-K3S-002", "AL-K3S-013"));
    assert_eq!(std::fs::read_to_string(node.at(PROGRAM)).unwrap(), "v1");
    let registries = std::fs::read_to_string(node.at("/etc/rancher/k3s/registries.yaml")).unwrap();
    assert_eq!(registries, "# for v1\n");
    assert_eq!(node.log(), "start\nrestart\nstop\nstart\n");
    assert_eq!(ensure_agent(&node, &spec("v1"), &Silent).await.unwrap().changed, 0, "as before the upgrade");
}

#[tokio::test]
async fn a_cluster_that_is_not_whole_is_not_upgraded() {
    let node = running().await;
    let (cluster, _) = cluster(&node).await;
    node.set("state", "failed");
    let wanted = spec("v2");
    let (files, how) = (agent_files(&wanted).unwrap(), Upgrade { patience: Duration::from_secs(1), ..how() });
    let error = upgrade_node(&cluster, &node, &wanted.node, Unit::Agent, &files, &how, &Silent).await.unwrap_err();
    assert_eq!(error.id(), "AL-RUN-001");
    assert_eq!(std::fs::read_to_string(node.at(PROGRAM)).unwrap(), "v1");
    let seen = Upgrade { seen: true, ..how };
    let done = upgrade_node(&cluster, &node, &wanted.node, Unit::Agent, &files, &seen, &Silent).await.unwrap();
    assert_eq!(done.version, "v2", "what the caller has seen is not looked at again");
}
