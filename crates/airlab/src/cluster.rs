//! k3s on the nodes: what each of them is told, and its start.

use lab::{Lab, Node, RegistryKind, Role};
use machine::RemoteFile;
use registry_mirror::Registries;
use steps::Sink;

use crate::images::Payload;
use crate::nodes::Live;
use crate::run::Run;
use crate::secrets::Secrets;
use crate::{Failure, nodes};

/// Where a node keeps the lab's authority for its container runtime.
/// The authorities of a node's own system, and those that its seed added.
const SYSTEM_CAS: &str = "/etc/ssl/certs/ca-certificates.crt";
const CA_FILE: &str = "/etc/rancher/k3s/airlab-ca.crt";

/// Starts k3s on one node where it does not run as it should.
pub(crate) async fn ensure(
    run: &Run<'_>,
    secrets: &Secrets,
    payload: &Payload,
    live: &Live,
    sink: &dyn Sink,
) -> Result<(), Failure> {
    let (lab, node) = (run.lab, &live.node);
    let common = common(lab, secrets, payload, node);
    let first = lab.first_server();
    let api = format!("https://{}:6443", first.address);
    let report = match node.role {
        Role::Server => {
            let server = secrets.tokens.server.full().clone();
            let agent = secrets.tokens.agent.full().clone();
            let mut spec = k3s_bootstrap::ServerSpec::new(common, server, agent);
            spec.tls_sans = vec![node.address.to_string(), node.name.clone(), "127.0.0.1".into(), "localhost".into()];
            spec.cluster_ca = secrets
                .cluster
                .files()
                .into_iter()
                .map(|f| k3s_bootstrap::ClusterCaFile { path: f.path, content: f.content })
                .collect();
            spec.join = (node.name != first.name).then_some(api);
            k3s_bootstrap::ensure_server(&live.ssh, &spec, sink).await?
        }
        Role::Agent => {
            let spec = k3s_bootstrap::AgentSpec::new(common, api, secrets.tokens.agent.full().clone());
            k3s_bootstrap::ensure_agent(&live.ssh, &spec, sink).await?
        }
    };
    for path in report.written {
        run.changed(format!("{}: {path}", node.name));
    }
    for path in report.fetched {
        run.changed(format!("{}: {path} fetched", node.name));
    }
    run.changed_if(report.started, format!("{}: k3s started", node.name));
    Ok(())
}

fn common(lab: &Lab, secrets: &Secrets, payload: &Payload, node: &Node) -> k3s_bootstrap::Node {
    let mut common = k3s_bootstrap::Node::new(&node.name, node.address);
    common.resolver = lab.network.cidr.host();
    common.labels = node.labels.clone();
    common.taints = node.taints.clone();
    common.registries = registries(lab).render();
    common.files = vec![RemoteFile { path: CA_FILE.into(), bytes: secrets.trusted.concat().into(), mode: 0o644 }];
    common.artifacts = payload.artifacts(lab);
    common.password = secrets.node_passwords.get(&node.name).cloned();
    common
}

fn registries(lab: &Lab) -> Registries {
    Registries {
        endpoint: lab.registry_address(),
        ca_file: match lab.registry.kind {
            RegistryKind::External { ca: None, .. } => SYSTEM_CAS,
            _ => CA_FILE,
        }
        .into(),
        mirrored: Registries::USUAL.map(str::to_owned).to_vec(),
    }
}

/// The names of all nodes.
pub(crate) fn names(live: &[nodes::Live]) -> Vec<String> {
    live.iter().map(|l| l.node.name.clone()).collect()
}
