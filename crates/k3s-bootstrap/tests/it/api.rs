//! A cluster of one agent, as far as an upgrade asks for it. Its kubelet says the version that the fake node's program
//! holds, and that it is Ready as long as the node's service is active.

use std::sync::{Arc, Mutex};

use k3s_bootstrap::Cluster;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use crate::fake::FakeNode;

pub(crate) const NODE: &str = "worker1";

/// What was patched, in order.
pub(crate) type Patches = Arc<Mutex<Vec<Value>>>;

pub(crate) async fn cluster(node: &FakeNode) -> (Cluster, Patches) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let patches = Patches::default();
    let (program, state) = (node.at("/usr/local/bin/k3s"), node.dir.path().join("state"));
    let told = patches.clone();
    tokio::spawn(async move {
        loop {
            let Ok((stream, _)) = listener.accept().await else { return };
            let (program, state, told) = (program.clone(), state.clone(), told.clone());
            tokio::spawn(async move {
                let node = || {
                    let read = |path| std::fs::read_to_string(path).unwrap_or_default().trim().to_owned();
                    agent(&read(&program), read(&state) == "active")
                };
                serve(stream, node, told).await
            });
        }
    });
    let text = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "x",
        "clusters": [{"name": "x", "cluster": {"server": format!("http://{address}")}}],
        "users": [{"name": "x", "user": {}}], "contexts": [{"name": "x", "context": {"cluster": "x", "user": "x"}}]
    });
    (Cluster::new(&text.to_string().into()).await.unwrap(), patches)
}

fn agent(version: &str, ready: bool) -> Value {
    let ready = if ready { "True" } else { "False" };
    json!({
        "apiVersion": "v1", "kind": "Node", "metadata": {"name": NODE}, "spec": {},
        "status": {
            "conditions": [{"type": "Ready", "status": ready, "lastHeartbeatTime": "2099-01-01T00:00:00Z"}],
            "nodeInfo": {"kubeletVersion": version, "architecture": "", "bootID": "", "containerRuntimeVersion": "",
                "kernelVersion": "", "kubeProxyVersion": "", "machineID": "", "operatingSystem": "", "osImage": "",
                "systemUUID": ""}
        }
    })
}

/// One connection, request after request.
async fn serve(stream: TcpStream, node: impl Fn() -> Value, patches: Patches) -> Option<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let mut first = String::new();
        stream.read_line(&mut first).await.ok().filter(|n| *n > 0)?;
        let mut length = 0;
        loop {
            let mut line = String::new();
            stream.read_line(&mut line).await.ok()?;
            if line.trim().is_empty() {
                break;
            }
            if let Some(n) = line.to_lowercase().strip_prefix("content-length:") {
                length = n.trim().parse().ok()?;
            }
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await.ok()?;
        let mut words = first.split(' ');
        let (method, path) = (words.next()?, words.next()?);
        if method == "PATCH" {
            patches.lock().unwrap().push(serde_json::from_slice(&body).unwrap());
        }
        let path = path.split('?').next()?;
        let (code, answer) = match path {
            "/readyz" => (200, "ok".to_owned()),
            "/api/v1/nodes" => (200, list("v1", "NodeList", vec![node()])),
            "/api/v1" => (200, json!({"groupVersion": "v1", "resources": []}).to_string()),
            "/api/v1/pods" => (200, list("v1", "PodList", vec![])),
            path if path.starts_with("/api/v1/nodes/") => (200, node().to_string()),
            path if path.contains("/apps/v1/") || path.contains("/batch/v1/") => (200, list("v1", "List", vec![])),
            _ => (
                404,
                json!({"kind": "Status", "status": "Failure", "code": 404, "message": "", "reason": "NotFound"})
                    .to_string(),
            ),
        };
        let head =
            format!("HTTP/1.1 {code} X\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n", answer.len());
        stream.write_all((head + &answer).as_bytes()).await.ok()?;
    }
}

fn list(version: &str, kind: &str, items: Vec<Value>) -> String {
    json!({"apiVersion": version, "kind": kind, "metadata": {}, "items": items}).to_string()
}
