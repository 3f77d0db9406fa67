use k3s_bootstrap::{AgentSpec, ClusterCaFile, K3sConfig, Node, ServerSpec, agent_files, server_files};

fn server() -> ServerSpec {
    let mut node = Node::new("master", "192.168.6.10".parse().unwrap());
    node.labels.push("airlab/lab=demo".into());
    node.registries = "mirrors: {}\n".into();
    node.password = Some("node-pass".into());
    let mut spec = ServerSpec::new(node, "K10aa::server:canary-s".into(), "canary-a".into());
    spec.tls_sans = vec!["192.168.6.10".into(), "127.0.0.1".into()];
    spec.disable = vec!["traefik".into()];
    spec.cluster_ca = vec![ClusterCaFile { path: "etcd/peer-ca.key".into(), content: "canary-ca".into() }];
    spec
}

fn agent() -> AgentSpec {
    let mut node = Node::new("worker1", "192.168.6.11".parse().unwrap());
    node.taints.push("gpu=yes:NoSchedule".into());
    AgentSpec::new(node, "https://192.168.6.10:6443", "K10aa::node:canary-n".into())
}

#[test]
fn the_configuration_of_a_server_and_of_an_agent() {
    insta::assert_snapshot!("server", K3sConfig::server(&server()).render().unwrap());
    insta::assert_snapshot!("agent", K3sConfig::agent(&agent()).render().unwrap());
}

#[test]
fn an_agent_gets_no_key_that_only_servers_know() {
    // k3s v1.33, `k3s agent --help`.
    const KNOWN: [&str; 10] = [
        "node-name",
        "node-ip",
        "server",
        "token-file",
        "disable-default-registry-endpoint",
        "resolv-conf",
        "node-label",
        "node-taint",
        "kubelet-arg",
        "protect-kernel-defaults",
    ];
    let mut spec = agent();
    spec.protect_kernel_defaults = true;
    spec.node.labels.push("a=b".into());
    spec.node.kubelet_args.push("v=2".into());
    let keys: std::collections::BTreeMap<String, serde_json::Value> =
        serde_saphyr::from_str(&K3sConfig::agent(&spec).render().unwrap()).unwrap();
    assert!(keys.keys().all(|key| KNOWN.contains(&key.as_str())), "{keys:?}");
    assert_eq!(keys.len(), KNOWN.len());
}

#[test]
fn a_server_that_joins_does_not_begin_a_cluster() {
    let mut spec = server();
    spec.join = Some("https://192.168.6.10:6443".into());
    let text = K3sConfig::server(&spec).render().unwrap();
    assert!(!text.contains("cluster-init") && text.contains("server: https://192.168.6.10:6443"), "{text}");
}

#[test]
fn secrets_are_in_files_of_root_alone_and_in_no_other() {
    for file in server_files(&server()).unwrap().into_iter().chain(agent_files(&agent()).unwrap()) {
        let text = String::from_utf8(file.bytes.clone()).unwrap();
        if text.contains("canary") || text.contains("node-pass") {
            assert_eq!(file.mode, 0o600, "{}", file.path);
            assert!(!format!("{file:?}").contains("canary"));
        }
    }
    let paths: Vec<String> = agent_files(&agent()).unwrap().into_iter().map(|f| f.path).collect();
    assert!(!paths.iter().any(|p| p.contains("agent-token") || p.contains("server/tls")), "{paths:?}");
}

#[test]
fn the_units_start_after_the_clock_is_right() {
    let files = server_files(&server()).unwrap();
    let drop_in = files.iter().find(|f| f.path == "/etc/systemd/system/k3s.service.d/10-airlab.conf").unwrap();
    assert!(String::from_utf8_lossy(&drop_in.bytes).contains("After=sync-time.service"));
}
