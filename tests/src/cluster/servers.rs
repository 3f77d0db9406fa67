//! Three servers: they joined in order, one dies, the API goes on, it comes back.

use std::time::Duration;

use serde_json::json;

use crate::objects::{PAGE, PORT};
use crate::proof::{Fail, Proof, ensure, fail};
use crate::report::Report;

use super::suite::{Trio, condition, whole};

pub(crate) fn checks(report: &mut Report, trio: &Trio) {
    let (minutes, world) = (Duration::from_secs(600), &trio.world);
    report.check("cluster/a-server-dies-and-the-api-answers", minutes, world, || dies(trio));
    report.check("cluster/the-dead-server-rejoins", minutes, world, || comes_back(trio));
}

/// A server is told to start when the one before it answers.
pub(crate) fn in_order(trio: &Trio) -> Proof {
    let text = std::fs::read_to_string(trio.world.lab_dir().join("journal.jsonl"))?;
    let order: Vec<String> = text
        .lines()
        .filter_map(|l| serde_json::from_str::<serde_json::Value>(l).ok())
        .filter(|l| l["step"].as_str().is_some_and(|s| s.starts_with("server/")))
        .filter(|l| l["event"] == "started" || l["event"] == "finished")
        .map(|l| format!("{} {}", l["event"].as_str().unwrap_or(""), l["step"].as_str().unwrap_or("")))
        .collect();
    let wanted: Vec<String> = ["one", "two", "three"]
        .iter()
        .flat_map(|n| [format!("started server/{n}"), format!("finished server/{n}")])
        .collect();
    ensure!(order == wanted, "{order:?}");
    let roles = trio.world.kubectl(&["get", "nodes", "-l", "node-role.kubernetes.io/etcd=true", "-o", "name"])?;
    ensure!(roles.lines().count() == 3, "members of the datastore: {roles}");
    Ok(order.join(", "))
}

fn vmrun(trio: &Trio, words: &[&str]) -> Result<(), Fail> {
    let vmx = trio.world.lab_dir().join("nodes/one/one.vmx").display().to_string();
    let cmd = trio.airlab(&["vmrun", "-T", "ws"]).arg(words[0]).arg(vmx).args(&words[1..]);
    trio.world.ok(cmd).map(drop)
}

/// The first server is the hardest to lose: it began the cluster, and the kubeconfig names it.
fn dies(trio: &Trio) -> Proof {
    vmrun(trio, &["stop", "hard"])?;
    let told = trio.world.until("status to name the dead server", || {
        let answer = trio.status()?;
        let (shown, detail) = condition(&answer, "api")?;
        ensure!(
            shown == "no" && detail.contains("10.78.0.11") && !detail.contains("10.78.0.12"),
            "api {shown}: {detail}"
        );
        let (shown, nodes) = condition(&answer, "nodes")?;
        ensure!(shown == "no" && nodes.contains("one: "), "nodes {shown}: {nodes}");
        Ok(format!("{detail}; {nodes}"))
    })?;
    let through = |address: &str| {
        let server = format!("https://{address}:6443");
        let kubeconfig = trio.world.lab_dir().join("kubeconfig").display().to_string();
        let words =
            ["run", "--", "kubectl", "--kubeconfig", &kubeconfig, "--server", &server, "get", "--raw", "/readyz"];
        Ok::<_, Fail>(trio.world.ok(trio.airlab(&words))?.text())
    };
    for address in ["10.78.0.12", "10.78.0.13"] {
        let said = trio.world.until("an answer", || through(address))?;
        ensure!(said.trim() == "ok", "{address} says {said}");
    }
    let out = trio.world.run(trio.airlab(&["node", "remove", "two", "three"]))?;
    let said = out.error_text();
    ensure!(out.code == 70 && said.contains("AL-K3S-008"), "two more of them: {}: {said}", out.code);
    Ok(format!("{told}; that two more leave is refused"))
}

fn comes_back(trio: &Trio) -> Proof {
    let up = trio.json(trio.airlab(&["up"]), "server-up")?;
    let told = whole(&up)?;
    ensure!(up["changes"] == json!(["one: started"]), "up changed {}", up["changes"]);
    Ok(told)
}

/// Ingress and load balancer come with the true k3s.
pub(crate) fn ingress(trio: &Trio) -> Proof {
    let world = &trio.world;
    let traefik = world.kubectl(&["-n", "kube-system", "get", "deployments", "-o", "name"])?;
    if !traefik.contains("deployment.apps/traefik") {
        return Ok("not shown here: this cluster has no traefik and no servicelb".into());
    }
    let labels = json!({"app": "front"});
    world.apply(&json!({"apiVersion": "v1", "kind": "List", "items": [
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "front"}, "spec": {
            "selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels},
                "spec": {"containers": [{"name": "page", "image": PAGE}]}}}},
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "front"},
            "spec": {"selector": labels, "ports": [{"port": 80, "targetPort": PORT}]}},
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "balanced"}, "spec": {
            "type": "LoadBalancer", "selector": labels, "ports": [{"port": 8088, "targetPort": PORT}]}},
        {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": "front"}, "spec": {"rules": [
            {"http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": {"service": {"name": "front",
                "port": {"number": 80}}}}]}}]}},
    ]}))?;
    let address = world.until("an address of the load balancer", || {
        let path = "jsonpath={.status.loadBalancer.ingress[0].ip}";
        let ip = world.kubectl(&["get", "service", "balanced", "-o", path])?;
        if ip.is_empty() { fail!("none yet") } else { Ok(ip) }
    })?;
    let code = world.until("the ingress", || {
        let words =
            ["run", "--", "curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "-m", "5", "http://10.78.0.12/"];
        let code = world.ok(trio.airlab(&words))?.text();
        ensure!(code == "200", "it answers {code}");
        Ok(code)
    })?;
    Ok(format!("ingress {code}, load balancer at {address}"))
}
