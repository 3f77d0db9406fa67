//! Kubernetes objects the checks use.

use serde_json::{Value, json};

/// The image that exists nowhere but in the lab's own registry: a page server that answers with its host name.
pub(crate) const PAGE: &str = "docker.io/airlab/page:1";
/// Where it listens.
pub(crate) const PORT: u16 = 8080;
/// Where the service answers on every node.
pub(crate) const NODE_PORT: u16 = 30888;

/// A pod on this node that sees the node's own host name.
pub(crate) fn pod_on(name: &str, node: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "labels": {"made-by": "e2e"}},
        "spec": {
            "nodeName": node, "hostNetwork": true, "terminationGracePeriodSeconds": 0,
            "tolerations": [{"operator": "Exists"}],
            "containers": [{"name": "page", "image": PAGE, "imagePullPolicy": "IfNotPresent"}]
        }
    })
}

/// Two page servers on two different nodes of those named, and their service.
pub(crate) fn page(nodes: &[&str]) -> Value {
    let labels = json!({"app": "page"});
    let on = json!({"nodeSelectorTerms": [{"matchExpressions": [
        {"key": "kubernetes.io/hostname", "operator": "In", "values": nodes}]}]});
    let apart = json!([{"topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": labels}}]);
    json!({"apiVersion": "v1", "kind": "List", "items": [
        {
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "page"},
            "spec": {
                "replicas": 2, "selector": {"matchLabels": labels},
                "template": {"metadata": {"labels": labels}, "spec": {
                    "terminationGracePeriodSeconds": 0,
                    "affinity": {
                        "nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": on},
                        "podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": apart}
                    },
                    "containers": [{"name": "page", "image": PAGE, "ports": [{"containerPort": PORT}],
                        "readinessProbe": {"httpGet": {"path": "/", "port": PORT}, "periodSeconds": 1}}]
                }}
            }
        },
        {
            "apiVersion": "v1", "kind": "Service", "metadata": {"name": "page"},
            "spec": {"type": "NodePort", "selector": labels,
                "ports": [{"port": 80, "targetPort": PORT, "nodePort": NODE_PORT}]}
        }
    ]})
}
