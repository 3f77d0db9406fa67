//! The cluster as a user outside the lab's network meets it.

mod certificates;
mod conditions;
mod datastore;
mod nodes;
mod outside;
mod servers;
mod suite;
mod upgrade;
mod words;

pub(crate) use suite::suite;
pub(crate) use words::Asked;

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::Value;
use vmware::Vmx;

use crate::objects::{NODE_PORT, PORT, page, pod_on};
use crate::product::Ready;
use crate::proof::{Fail, Proof, ensure, fail};
use crate::report::Report;
use crate::world::World;

pub(crate) fn checks(report: &mut Report, world: &World, ready: &Ready) {
    let minute = Duration::from_secs(60);
    report.check("cluster/nodes-ready-with-their-memory", minute, world, || memory(world, ready));
    report.check("cluster/tls-is-really-verified", minute, world, || tls(world));
    report.check("cluster/exec-on-every-node", 2 * minute, world, || exec(world, ready));
    report.check("cluster/two-replicas-from-our-registry", 3 * minute, world, || replicas(world, ready));
    report.check("cluster/pods-reach-each-other-across-nodes", minute, world, || across(world));
    report.check("cluster/node-port", minute, world, || node_port(world, ready));
    report.check("cluster/a-deleted-pod-comes-back", 2 * minute, world, || comes_back(world));
}

/// A machine's configuration file as it is on disk now.
pub(crate) fn vmx(world: &World, node: &str) -> Result<Vmx, Fail> {
    let path = world.lab_dir().join("nodes").join(node).join(format!("{node}.vmx"));
    Ok(Vmx::parse(&std::fs::read_to_string(path)?)?)
}

fn memory(world: &World, ready: &Ready) -> Proof {
    let list = world.kubectl_json(&["get", "nodes"])?;
    let items = list["items"].as_array().cloned().unwrap_or_default();
    ensure!(items.len() == ready.nodes.len(), "{} nodes, {} asked for", items.len(), ready.nodes.len());
    let mut told = Vec::new();
    for node in &ready.nodes {
        let Some(item) = items.iter().find(|i| i["metadata"]["name"] == node.name.as_str()) else {
            fail!("no node {}", node.name)
        };
        world.until_node_is(&node.name, "True")?;
        let address = item["status"]["addresses"].as_array().cloned().unwrap_or_default();
        ensure!(address.iter().any(|a| a["address"] == node.address.as_str()), "{}: addresses {address:?}", node.name);
        let capacity = mib(&item["status"]["capacity"]["memory"])?;
        let asked: u64 = vmx(world, &node.name)?.get("memsize").unwrap_or("").parse()?;
        let off = capacity.abs_diff(asked) * 100 / asked;
        ensure!(off <= 5, "{}: the kubelet reports {capacity} MiB, the .vmx says {asked}", node.name);
        let said = node.memory_mib;
        ensure!(said.abs_diff(asked) * 100 / asked <= 5, "{}: provision says {said} MiB, the .vmx {asked}", node.name);
        told.push(format!("{} {} {capacity}/{asked} MiB", node.name, node.address));
    }
    Ok(told.join(", "))
}

fn mib(quantity: &Value) -> Result<u64, Fail> {
    let text = quantity.as_str().unwrap_or("");
    let units = [("Ki", 1), ("Mi", 1 << 10), ("Gi", 1 << 20)];
    let Some((number, kib)) = units.iter().find_map(|(unit, kib)| Some((text.strip_suffix(unit)?, kib))) else {
        fail!("memory capacity {text:?}")
    };
    Ok(number.parse::<u64>()? * kib / 1024)
}

/// The kubeconfig's own CA is what makes the connection good: with another one it is refused.
fn tls(world: &World) -> Proof {
    let config = world.kubectl_json(&["config", "view", "--minify", "--raw"])?;
    let cluster = &config["clusters"][0]["cluster"];
    ensure!(cluster["insecure-skip-tls-verify"] != true, "TLS verification is switched off");
    ensure!(cluster["certificate-authority-data"].is_string(), "no CA in the kubeconfig");
    let own = world.lab_dir().join("kubeconfig");
    let get = |more: &[&str]| {
        let cmd = world.cmd("kubectl").arg("--kubeconfig").arg(&own).args(["get", "nodes", "-o", "wide"]);
        world.run(cmd.args(more))
    };
    let good = get(&[])?;
    ensure!(good.code == 0, "the lab's own kubeconfig: {}", good.error_text());
    let other = world.lab_dir().join("pki/registry.crt").display().to_string();
    let bad = get(&["--certificate-authority", &other])?;
    ensure!(bad.code != 0 && bad.error_text().contains("x509"), "another CA was not refused: {}", bad.error_text());
    Ok(format!("{} verified; another CA: x509 error", cluster["server"]))
}

fn exec(world: &World, ready: &Ready) -> Proof {
    for node in &ready.nodes {
        world.apply(&pod_on(&format!("on-{}", node.name), &node.name))?;
    }
    let mut told = Vec::new();
    for node in &ready.nodes {
        let pod = format!("on-{}", node.name);
        world.until_pod_runs(&pod)?;
        let said = world.kubectl(&["exec", &pod, "--", "hostname"])?;
        ensure!(said == node.name, "a pod on {} says it is on {said}", node.name);
        told.push(said);
    }
    world.delete(&["pod", "-l", "made-by=e2e"])?;
    Ok(format!("kubectl exec printed {}", told.join(", ")))
}

fn replicas(world: &World, ready: &Ready) -> Proof {
    let agents: Vec<&str> = ready.agents()?.iter().map(|n| n.name.as_str()).collect();
    world.apply(&page(&agents))?;
    world.kubectl(&["rollout", "status", "deployment/page", "--timeout=150s"])?;
    let on: BTreeSet<String> = pods(world)?.into_iter().map(|p| p.node).collect();
    ensure!(on.len() == 2, "both replicas on {on:?}");
    Ok(format!("available on {}", on.into_iter().collect::<Vec<_>>().join(" and ")))
}

struct Pod {
    name: String,
    node: String,
    ip: String,
}

fn pods(world: &World) -> Result<Vec<Pod>, Fail> {
    let list = world.kubectl_json(&["get", "pods", "-l", "app=page"])?;
    let items = list["items"].as_array().cloned().unwrap_or_default();
    let text = |v: &Value| v.as_str().unwrap_or("").to_owned();
    let living = items.iter().filter(|p| p["metadata"]["deletionTimestamp"].is_null());
    Ok(living
        .map(|p| Pod {
            name: text(&p["metadata"]["name"]),
            node: text(&p["spec"]["nodeName"]),
            ip: text(&p["status"]["podIP"]),
        })
        .collect())
}

fn across(world: &World) -> Proof {
    let pods = pods(world)?;
    let [a, b] = pods.as_slice() else { fail!("{} pods", pods.len()) };
    ensure!(a.node != b.node, "both on {}", a.node);
    for (from, to) in [(a, b), (b, a)] {
        let url = format!("http://{}:{PORT}/", to.ip);
        let said = world.kubectl(&["exec", &from.name, "--", "wget", "-q", "-O", "-", &url])?;
        ensure!(said.contains(&to.name), "{} asked {} and got {said:?}", from.name, to.name);
    }
    Ok(format!("{} on {} and {} on {}, both ways", a.ip, a.node, b.ip, b.node))
}

fn node_port(world: &World, ready: &Ready) -> Proof {
    let mut seen = BTreeSet::new();
    for node in &ready.nodes {
        let url = format!("http://{}:{NODE_PORT}/", node.address);
        for _ in 0..4 {
            let curl = world.airlab("run", &["--", "curl", "-fsS", "-m", "5", &url]);
            seen.insert(world.until(&url, || Ok(world.ok(curl.clone())?.text()))?);
        }
    }
    ensure!(seen.iter().all(|s| s.contains("page-")), "answers {seen:?}");
    Ok(format!("port {NODE_PORT} answers at {} addresses, {} different pods", ready.nodes.len(), seen.len()))
}

fn comes_back(world: &World) -> Proof {
    let Some(victim) = pods(world)?.into_iter().next() else { fail!("no pod") };
    world.kubectl(&["delete", "pod", &victim.name, "--wait=false"])?;
    let back = world.until("two ready replicas again", || {
        let pods = pods(world)?;
        let ready = world.kubectl(&["get", "deployment", "page", "-o", "jsonpath={.status.readyReplicas}"])?;
        ensure!(pods.len() == 2 && ready == "2", "{} pods, {ready} ready", pods.len());
        ensure!(pods.iter().all(|p| p.name != victim.name), "{} is still there", victim.name);
        Ok(pods.into_iter().map(|p| p.name).collect::<Vec<_>>().join(", "))
    })?;
    Ok(format!("{} deleted, now {back}", victim.name))
}
