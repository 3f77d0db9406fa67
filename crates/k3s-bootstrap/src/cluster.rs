//! The cluster as its API shows it. Only core/v1 is asked for, which 1.20 and 1.33 have in common.

use std::time::Duration;

use k8s_openapi::api::core::v1::{ContainerStatus, Node, Pod, Secret};
use kube::api::{Api, DeleteParams, ListParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use steps::{Sink, Wait, chain, wait_for};

use crate::{K3sError, probe};

/// A client of one cluster's API. It never goes through a proxy: a lab is not behind one.
#[derive(Clone)]
pub struct Cluster {
    client: Client,
    config: Config,
}

impl std::fmt::Debug for Cluster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Cluster({})", self.config.cluster_url)
    }
}

/// One row of the table of nodes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NodeStatus {
    /// Name in the cluster.
    pub name: String,
    /// `control-plane`, `etcd`, `master`, ...; empty for a plain worker.
    pub roles: Vec<String>,
    /// Whether its kubelet says it can run pods.
    pub ready: bool,
    /// Whether new pods are kept off it: it is being drained.
    pub cordoned: bool,
    /// Why not: the condition's reason and message. Empty when ready.
    pub reason: String,
    /// Version of its kubelet.
    pub version: String,
    /// Its address inside the cluster.
    pub internal_ip: String,
    /// Memory it has, in bytes.
    pub memory_bytes: u64,
    /// Operating system, as the node names it.
    pub os_image: String,
    /// Kernel.
    pub kernel: String,
    /// `containerd://2.0.5`.
    pub runtime: String,
}

/// A container that does not run, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PodTrouble {
    /// `namespace/pod`.
    pub pod: String,
    /// Where it is scheduled; empty when nowhere.
    pub node: String,
    /// `ImagePullBackOff`, `CrashLoopBackOff`, `Unschedulable`, ...
    pub reason: String,
    /// What Kubernetes says about it.
    pub message: String,
}

const CALL: Duration = Duration::from_secs(10);

impl Cluster {
    /// A client from the text of a kubeconfig and its current context. Nothing is asked yet.
    pub async fn new(kubeconfig: &SecretString) -> Result<Self, K3sError> {
        let bad = |source: Box<dyn std::error::Error + Send + Sync>| K3sError::Kubeconfig { source };
        let parsed = Kubeconfig::from_yaml(kubeconfig.expose_secret()).map_err(|e| bad(Box::new(e)))?;
        let mut config = Config::from_custom_kubeconfig(parsed, &KubeConfigOptions::default())
            .await
            .map_err(|e| bad(Box::new(e)))?;
        config.proxy_url = None;
        // a refusal is an answer: who waits for another asks again by himself
        config.default_retry = false;
        config.connect_timeout = Some(CALL);
        config.read_timeout = Some(Duration::from_secs(60));
        let client = Client::try_from(config.clone()).map_err(|e| bad(Box::new(e)))?;
        Ok(Self { client, config })
    }

    /// The same cluster and identity through another server, `https://192.168.6.11:6443`.
    pub fn through(&self, server: &str) -> Result<Self, K3sError> {
        let bad = |source: Box<dyn std::error::Error + Send + Sync>| K3sError::Kubeconfig { source };
        let mut config = self.config.clone();
        config.cluster_url = server.parse().map_err(|e: http::uri::InvalidUri| bad(Box::new(e)))?;
        let client = Client::try_from(config.clone()).map_err(|e| bad(Box::new(e)))?;
        Ok(Self { client, config })
    }

    /// The client itself, for callers with wishes of their own.
    pub fn client(&self) -> Client {
        self.client.clone()
    }

    pub(crate) fn api(&self, doing: &'static str) -> impl FnOnce(kube::Error) -> K3sError + use<> {
        let url = self.config.cluster_url.to_string();
        move |source| K3sError::Api { url, doing, source: Box::new(source) }
    }

    /// `GET /readyz`: the API server and everything it needs work.
    pub async fn readyz(&self) -> Result<(), K3sError> {
        let request = http::Request::get("/readyz")
            .body(Vec::new())
            .map_err(|e| self.api("GET /readyz")(kube::Error::HttpError(e)))?;
        self.client.request_text(request).await.map_err(self.api("GET /readyz"))?;
        Ok(())
    }

    /// Version of the API server, `v1.33.4+k3s1`.
    pub async fn version(&self) -> Result<String, K3sError> {
        Ok(self.client.apiserver_version().await.map_err(self.api("GET /version"))?.git_version)
    }

    /// All nodes, by name.
    pub async fn nodes(&self) -> Result<Vec<NodeStatus>, K3sError> {
        let api = Api::<Node>::all(self.client.clone());
        let list = api.list(&ListParams::default()).await.map_err(self.api("list nodes"))?;
        let mut nodes: Vec<NodeStatus> = list.items.iter().map(node_status).collect();
        nodes.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(nodes)
    }

    /// Waits until every one of these nodes has joined and is Ready; gives back all nodes.
    pub async fn wait_ready(
        &self,
        names: &[String],
        deadline: Duration,
        sink: &dyn Sink,
    ) -> Result<Vec<NodeStatus>, K3sError> {
        let wait = Wait::new(format!("{} Ready", names.join(", ")), deadline);
        let probe = || async {
            let nodes = self.nodes().await.map_err(|e| chain(&e))?;
            let missing: Vec<String> = names.iter().filter_map(|name| why_not_ready(name, &nodes)).collect();
            if missing.is_empty() { Ok(nodes) } else { Err(missing.join("; ")) }
        };
        Ok(wait_for(wait, sink, probe).await?)
    }

    /// Containers that wait for something that may never come, in all namespaces.
    pub async fn troubles(&self) -> Result<Vec<PodTrouble>, K3sError> {
        let api = Api::<Pod>::all(self.client.clone());
        let list = api.list(&ListParams::default()).await.map_err(self.api("list pods"))?;
        Ok(list.items.iter().filter(|pod| !probe::is_probe(pod)).filter_map(pod_trouble).collect())
    }

    /// Takes a node out of the cluster, and its node password with it; false when it was not in it. With a server's node
    /// k3s takes its etcd member out too.
    pub async fn forget_node(&self, name: &str) -> Result<bool, K3sError> {
        let gone = |ended: kube::Result<_>| match ended {
            Ok(_) => Ok(true),
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(false),
            Err(e) => Err(e),
        };
        let nodes = Api::<Node>::all(self.client.clone());
        let node =
            gone(nodes.delete(name, &DeleteParams::default()).await.map(drop)).map_err(self.api("delete node"))?;
        let secrets = Api::<Secret>::namespaced(self.client.clone(), "kube-system");
        let secret = secrets.delete(&format!("{name}.node-password.k3s"), &DeleteParams::default()).await.map(drop);
        Ok(gone(secret).map_err(self.api("delete the node's password"))? || node)
    }
}

pub(crate) fn why_not_ready(name: &str, nodes: &[NodeStatus]) -> Option<String> {
    match nodes.iter().find(|n| n.name == name) {
        None => Some(format!("{name} has not joined")),
        Some(node) if !node.ready => Some(format!("{name}: {}", node.reason)),
        Some(_) => None,
    }
}

fn node_status(node: &Node) -> NodeStatus {
    const ROLE: &str = "node-role.kubernetes.io/";
    let labels = node.metadata.labels.iter().flatten();
    let roles = labels.filter_map(|(key, _)| key.strip_prefix(ROLE)).map(str::to_owned).collect();
    let status = node.status.clone().unwrap_or_default();
    let info = status.node_info.unwrap_or_default();
    let condition = status.conditions.iter().flatten().find(|c| c.type_ == "Ready");
    let ready = condition.is_some_and(|c| c.status == "True");
    let reason = condition.map_or("its kubelet has not reported yet".to_owned(), |c| {
        let parts = [c.reason.as_deref().unwrap_or_default(), c.message.as_deref().unwrap_or_default()];
        parts.into_iter().filter(|p| !p.is_empty()).collect::<Vec<_>>().join(": ")
    });
    let internal = status.addresses.iter().flatten().find(|a| a.type_ == "InternalIP");
    let memory = status.capacity.iter().flatten().find(|(key, _)| *key == "memory");
    NodeStatus {
        name: node.metadata.name.clone().unwrap_or_default(),
        roles,
        ready,
        cordoned: node.spec.as_ref().and_then(|s| s.unschedulable).unwrap_or(false),
        reason: if ready { String::new() } else { reason },
        version: info.kubelet_version,
        internal_ip: internal.map(|a| a.address.clone()).unwrap_or_default(),
        memory_bytes: memory.and_then(|(_, quantity)| bytes(&quantity.0)).unwrap_or(0),
        os_image: info.os_image,
        kernel: info.kernel_version,
        runtime: info.container_runtime_version,
    }
}

impl NodeStatus {
    /// Whether it runs the control plane.
    pub fn is_server(&self) -> bool {
        self.roles.iter().any(|role| ["control-plane", "master", "etcd"].contains(&role.as_str()))
    }
}

/// A quantity of memory: a whole number and a suffix.
fn bytes(quantity: &str) -> Option<u64> {
    let digits = quantity.trim_end_matches(|c: char| !c.is_ascii_digit());
    let factor: u64 = match &quantity[digits.len()..] {
        "" => 1,
        "k" => 1000,
        "M" => 1_000_000,
        "G" => 1_000_000_000,
        "Ki" => 1 << 10,
        "Mi" => 1 << 20,
        "Gi" => 1 << 30,
        "Ti" => 1 << 40,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(factor)
}

pub(crate) fn pod_trouble(pod: &Pod) -> Option<PodTrouble> {
    /// States a healthy pod passes through.
    const PASSING: [&str; 2] = ["ContainerCreating", "PodInitializing"];
    let status = pod.status.as_ref()?;
    let containers = status.init_container_statuses.iter().flatten().chain(status.container_statuses.iter().flatten());
    let waiting = |c: &ContainerStatus| c.state.as_ref()?.waiting.clone();
    let stuck = containers.filter_map(waiting).find_map(|w| {
        let reason = w.reason.filter(|r| !PASSING.contains(&r.as_str()))?;
        Some((reason, w.message.unwrap_or_default()))
    });
    let unscheduled = || {
        let conditions = status.conditions.iter().flatten();
        let condition = conditions.into_iter().find(|c| c.type_ == "PodScheduled" && c.status == "False")?;
        Some((condition.reason.clone().unwrap_or_default(), condition.message.clone().unwrap_or_default()))
    };
    let (reason, message) = stuck.or_else(unscheduled)?;
    let name = |text: &Option<String>| text.clone().unwrap_or_default();
    Some(PodTrouble {
        pod: format!("{}/{}", name(&pod.metadata.namespace), name(&pod.metadata.name)),
        node: pod.spec.as_ref().and_then(|s| s.node_name.clone()).unwrap_or_default(),
        reason,
        message,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_in_every_suffix() {
        let read = ["2035952Ki", "1Gi", "1024", "2G", "1.5Gi", "", "9Ei"].map(bytes);
        assert_eq!(read, [Some(2_084_814_848), Some(1 << 30), Some(1024), Some(2_000_000_000), None, None, None]);
    }

    #[test]
    fn a_node_says_who_it_is_and_why_it_is_not_ready() {
        let node: Node = serde_json::from_value(serde_json::json!({
            "metadata": {"name": "worker1", "labels": {"node-role.kubernetes.io/etcd": "true"}},
            "status": {
                "conditions": [{"type": "Ready", "status": "Unknown", "reason": "NodeStatusUnknown", "message": "stopped posting"}],
                "addresses": [{"type": "InternalIP", "address": "192.168.6.11"}],
                "capacity": {"memory": "1Gi"},
                "nodeInfo": {"kubeletVersion": "v1.20.2", "osImage": "Debian", "kernelVersion": "6", "bootID": "",
                    "containerRuntimeVersion": "containerd://1.6", "architecture": "", "kubeProxyVersion": "",
                    "machineID": "", "operatingSystem": "", "systemUUID": ""}
            }
        }))
        .unwrap();
        let status = node_status(&node);
        assert_eq!((status.ready, status.reason.as_str()), (false, "NodeStatusUnknown: stopped posting"));
        assert_eq!((status.memory_bytes, status.roles.as_slice()), (1 << 30, ["etcd".to_owned()].as_slice()));
        let said = why_not_ready("worker1", std::slice::from_ref(&status)).unwrap();
        assert!(said.contains("NodeStatusUnknown"), "{said}");
        assert_eq!(why_not_ready("worker2", &[status]).unwrap(), "worker2 has not joined");
    }

    #[test]
    fn a_pod_without_its_image_is_in_trouble_and_a_starting_one_is_not() {
        let pod = |reason: &str| -> Pod {
            serde_json::from_value(serde_json::json!({
                "metadata": {"name": "web", "namespace": "default"}, "spec": {"nodeName": "worker1", "containers": []},
                "status": {"containerStatuses": [{"name": "c", "image": "", "imageID": "", "ready": false, "restartCount": 0,
                    "state": {"waiting": {"reason": reason, "message": "x509"}}}]}
            }))
            .unwrap()
        };
        assert_eq!(pod_trouble(&pod("ContainerCreating")), None);
        let trouble = pod_trouble(&pod("ImagePullBackOff")).unwrap();
        assert_eq!((trouble.pod.as_str(), trouble.reason.as_str()), ("default/web", "ImagePullBackOff"));
    }
}
