//! Ways in from outside that come with the true k3s. What a cluster does not have is not shown there.

use std::time::Duration;

use serde_json::{Value, json};

use crate::objects::{PAGE, PORT};
use crate::proof::{Fail, Proof, ensure, fail};
use crate::report::{NOT_SHOWN, Report};

use super::suite::Trio;

pub(crate) fn checks(report: &mut Report, trio: &Trio) {
    let (minutes, world) = (Duration::from_secs(180), &trio.world);
    report.check("cluster/ingress-through-traefik", minutes, world, || ingress(trio));
    report.check("cluster/load-balancer-gets-an-address", minutes, world, || load_balancer(trio));
}

/// Whether k3s deploys a packaged component of this name; a cluster that does not know the kind has none.
fn has(trio: &Trio, component: &str) -> Result<bool, Fail> {
    let context = format!("--context={}", trio.world.lab());
    let words = ["-n", "kube-system", "get", "addons.k3s.cattle.io", "-o", "name"];
    let cmd = trio.world.cmd("kubectl").arg(context).args(words);
    let out = trio.world.run(cmd)?;
    if out.code != 0 {
        let said = out.error_text();
        ensure!(said.contains("the server doesn't have a resource type"), "kubectl get addons: {said}");
        return Ok(false);
    }
    Ok(out.text().lines().any(|line| line.ends_with(&format!("/{component}"))))
}

/// A page and its service.
fn front(trio: &Trio, name: &str, spec: &Value) -> Result<(), Fail> {
    let labels = json!({"app": name});
    let mut service = spec.clone();
    service["selector"] = labels.clone();
    trio.world.apply(&json!({"apiVersion": "v1", "kind": "List", "items": [
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": {
            "selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": {
                "terminationGracePeriodSeconds": 0, "containers": [{"name": "page", "image": PAGE}]}}}},
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": service},
    ]}))
}

fn answers(trio: &Trio, url: &str) -> Proof {
    trio.world.until(url, || {
        let words = ["run", "--", "curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "-m", "5", url];
        let code = trio.world.ok(trio.airlab(&words))?.text();
        ensure!(code == "200", "it answers {code}");
        Ok(format!("{url} answers {code}"))
    })
}

fn ingress(trio: &Trio) -> Proof {
    if !has(trio, "traefik")? {
        return Ok(format!("{NOT_SHOWN}this cluster has no traefik"));
    }
    front(trio, "front", &json!({"ports": [{"port": 80, "targetPort": PORT}]}))?;
    trio.world.apply(&json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": "front"}, "spec": {"rules": [
            {"http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": {"service": {"name": "front",
                "port": {"number": 80}}}}]}}]}
    }))?;
    answers(trio, "http://10.78.0.12/")
}

fn load_balancer(trio: &Trio) -> Proof {
    if !has(trio, "ccm")? {
        return Ok(format!("{NOT_SHOWN}this cluster has no servicelb"));
    }
    front(trio, "balanced", &json!({"type": "LoadBalancer", "ports": [{"port": 8088, "targetPort": PORT}]}))?;
    let address = trio.world.until("an address of the load balancer", || {
        let path = "jsonpath={.status.loadBalancer.ingress[0].ip}";
        let ip = trio.world.kubectl(&["get", "service", "balanced", "-o", path])?;
        if ip.is_empty() { fail!("none yet") } else { Ok(ip) }
    })?;
    answers(trio, &format!("http://{address}:8088/"))
}
