//! A worker comes, is drained, and goes.

use std::time::Duration;

use serde_json::json;

use crate::objects::{PAGE, PORT};
use crate::proof::{Fail, Proof, ensure};
use crate::report::Report;

use super::suite::{Trio, whole};

const MINUTES: Duration = Duration::from_secs(600);

/// Whether the worker came.
pub(crate) fn added(report: &mut Report, trio: &Trio) -> bool {
    report.check("cluster/a-worker-is-added", MINUTES, &trio.world, || add(trio))
}

pub(crate) fn drained(report: &mut Report, trio: &Trio) {
    report.check("cluster/a-drain-respects-its-budget", MINUTES, &trio.world, || drain(trio));
}

pub(crate) fn removed(report: &mut Report, trio: &Trio) {
    report.check("cluster/a-worker-is-removed", MINUTES, &trio.world, || remove(trio));
}

fn lab_file(trio: &Trio) -> Result<String, Fail> {
    Ok(std::fs::read_to_string(trio.world.scratch("lab.toml"))?)
}

fn add(trio: &Trio) -> Proof {
    let before = lab_file(trio)?;
    let words = ["node", "add", "worker", "--address", "10.78.0.21", "--cpus", "1", "--memory-mib", "1024"];
    let answer = trio.json(trio.making(&words), "add")?;
    let told = whole(&answer)?;
    let after = lab_file(trio)?;
    ensure!(after.starts_with(&before) && after.contains("name = \"worker\""), "the lab file: {after}");
    trio.world.until_node_is("worker", "True")?;
    Ok(format!("{} bytes more in the lab file; {told}", after.len() - before.len()))
}

/// Two pages, one of which must always be there.
fn pages(trio: &Trio) -> Result<(), Fail> {
    let labels = json!({"app": "moving"});
    let on = json!({"nodeSelectorTerms": [{"matchExpressions": [
        {"key": "kubernetes.io/hostname", "operator": "In", "values": ["three", "worker"]}]}]});
    let deployment = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "moving"},
        "spec": {"replicas": 2, "selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": {
            "terminationGracePeriodSeconds": 0,
            "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": on}},
            "containers": [{"name": "page", "image": PAGE,
                "readinessProbe": {"httpGet": {"path": "/", "port": PORT}, "periodSeconds": 1}}]}}}
    });
    trio.world.apply(&deployment)?;
    trio.world.kubectl(&["rollout", "status", "deployment/moving", "--timeout=120s"]).map(drop)
}

fn budget(trio: &Trio, available: &str) -> Result<(), Fail> {
    let versions = trio.world.kubectl(&["api-versions"])?;
    let version = if versions.lines().any(|v| v == "policy/v1") { "policy/v1" } else { "policy/v1beta1" };
    trio.world.apply(&json!({
        "apiVersion": version, "kind": "PodDisruptionBudget", "metadata": {"name": "moving"},
        "spec": {"minAvailable": available, "selector": {"matchLabels": {"app": "moving"}}}
    }))
}

fn on(trio: &Trio, node: &str) -> Result<usize, Fail> {
    let field = format!("spec.nodeName={node}");
    let list = trio.world.kubectl_json(&["get", "pods", "-l", "app=moving", "--field-selector", &field])?;
    Ok(list["items"].as_array().map_or(0, Vec::len))
}

fn drain(trio: &Trio) -> Proof {
    trio.world.kubectl(&["cordon", "three"])?;
    let there = pages(trio);
    trio.world.kubectl(&["uncordon", "three"])?;
    there?;
    ensure!(on(trio, "worker")? == 2, "{} pods on worker", on(trio, "worker")?);
    budget(trio, "100%")?;
    let refused = trio.world.until("the budget to be kept", || {
        let out = trio.world.run(trio.airlab(&["node", "drain", "worker", "--deadline", "5"]))?;
        let said = out.error_text();
        ensure!(out.code != 0 && said.contains("disruption budget"), "drain ended with {}: {said}", out.code);
        Ok(said)
    })?;
    ensure!(on(trio, "worker")? == 2, "pods went in spite of the budget");
    budget(trio, "50%")?;
    let drained = trio.json(trio.airlab(&["node", "drain", "worker"]), "drain")?;
    ensure!(on(trio, "worker")? == 0, "pods are still on worker");
    pages(trio)?;
    trio.world.delete(&["deployment/moving", "poddisruptionbudget/moving"])?;
    let refused = refused.lines().find(|l| l.contains("disruption budget")).unwrap_or_default().trim().to_owned();
    Ok(format!("with every page needed: {refused}; with one spared: {}", drained["evicted"]))
}

fn remove(trio: &Trio) -> Proof {
    let left = trio.json(trio.airlab(&["node", "remove", "worker"]), "remove")?;
    let known = trio.world.kubectl(&["get", "nodes", "-o", "name"])?;
    ensure!(!known.contains("worker"), "the cluster still has {known}");
    let secrets = trio.world.kubectl(&["-n", "kube-system", "get", "secrets", "-o", "name"])?;
    ensure!(!secrets.contains("worker.node-password"), "its node password is still there");
    let file = lab_file(trio)?;
    ensure!(file == include_str!("../../labs/trio.toml"), "the lab file is not as before: {file}");
    ensure!(!trio.world.lab_dir().join("nodes/worker").exists(), "its machine is still there");
    Ok(left[0]["changes"].to_string())
}
