//! `/etc/rancher/k3s/config.yaml`.

use std::net::Ipv4Addr;

use serde::Serialize;

use crate::files::{AGENT_TOKEN, RESOLV_CONF, TOKEN};
use crate::{AgentSpec, K3sError, Node, ServerSpec};

/// The keys we set, in k3s's names. An agent's file holds agent keys alone: k3s passes unknown ones on, and fails.
///
/// ```
/// use k3s_bootstrap::{AgentSpec, K3sConfig, Node};
/// let node = Node::new("worker1", "192.168.6.11".parse().unwrap());
/// let agent = AgentSpec::new(node, "https://192.168.6.10:6443", "secret".into());
/// let text = K3sConfig::agent(&agent).render().unwrap();
/// assert!(text.contains("node-name: worker1") && !text.contains("secret"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct K3sConfig {
    node_name: String,
    node_ip: Ipv4Addr,
    #[serde(skip_serializing_if = "Option::is_none")]
    server: Option<String>,
    token_file: &'static str,
    disable_default_registry_endpoint: bool,
    resolv_conf: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    flannel_iface: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    node_label: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    node_taint: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    kubelet_arg: Vec<String>,
    #[serde(skip_serializing_if = "is_false")]
    protect_kernel_defaults: bool,
    #[serde(flatten)]
    control_plane: Option<ControlPlane>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
struct ControlPlane {
    agent_token_file: &'static str,
    advertise_address: Ipv4Addr,
    tls_san: Vec<String>,
    #[serde(skip_serializing_if = "is_false")]
    cluster_init: bool,
    flannel_backend: &'static str,
    embedded_registry: bool,
    write_kubeconfig_mode: &'static str,
    etcd_snapshot_schedule_cron: String,
    etcd_snapshot_retention: u32,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    disable: Vec<String>,
    #[serde(skip_serializing_if = "is_false")]
    secrets_encryption: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
fn is_false(flag: &bool) -> bool {
    !flag
}

impl K3sConfig {
    /// A server's file.
    pub fn server(spec: &ServerSpec) -> Self {
        let mut tls_san = vec![spec.node.ip.to_string(), spec.node.name.clone()];
        tls_san.extend(spec.tls_sans.iter().filter(|san| !tls_san.contains(san)).cloned().collect::<Vec<_>>());
        let control_plane = ControlPlane {
            agent_token_file: AGENT_TOKEN,
            advertise_address: spec.node.ip,
            tls_san,
            cluster_init: spec.join.is_none(),
            // All nodes share one segment: plain routes, no encapsulation for a network card to get wrong.
            flannel_backend: "host-gw",
            embedded_registry: true,
            write_kubeconfig_mode: "0600",
            etcd_snapshot_schedule_cron: spec.snapshots.schedule.clone(),
            etcd_snapshot_retention: spec.snapshots.retention,
            disable: spec.disable.clone(),
            secrets_encryption: spec.secrets_encryption,
        };
        Self {
            server: spec.join.clone(),
            protect_kernel_defaults: spec.protect_kernel_defaults,
            control_plane: Some(control_plane),
            ..Self::of(&spec.node)
        }
    }

    /// An agent's file.
    pub fn agent(spec: &AgentSpec) -> Self {
        Self {
            server: Some(spec.server.clone()),
            protect_kernel_defaults: spec.protect_kernel_defaults,
            ..Self::of(&spec.node)
        }
    }

    fn of(node: &Node) -> Self {
        Self {
            node_name: node.name.clone(),
            node_ip: node.ip,
            server: None,
            token_file: TOKEN,
            disable_default_registry_endpoint: true,
            resolv_conf: RESOLV_CONF,
            flannel_iface: node.flannel_iface.clone(),
            node_label: node.labels.clone(),
            node_taint: node.taints.clone(),
            kubelet_arg: node.kubelet_args.clone(),
            protect_kernel_defaults: false,
            control_plane: None,
        }
    }

    /// The file's text. It names the files that hold secrets and holds none.
    pub fn render(&self) -> Result<String, K3sError> {
        serde_saphyr::to_string(self).map_err(|source| K3sError::Yaml { node: self.node_name.clone(), source })
    }
}
