//! Each condition of a Ready cluster is broken once, named right, and mended.

use std::time::Duration;

use serde_json::json;

use crate::proof::{Proof, ensure};
use crate::report::{NOT_SHOWN, Report};

use super::suite::{Trio, condition, whole};

pub(crate) fn checks(report: &mut Report, trio: &Trio) {
    let (minutes, world) = (Duration::from_secs(240), &trio.world);
    report.check("cluster/broken-workload-is-named", minutes, world, || workload(trio));
    report.check("cluster/broken-traffic-is-named", minutes, world, || traffic(trio));
    report.check("cluster/broken-pull-is-named", minutes, world, || pull(trio));
    report.check("cluster/broken-dns-is-named", minutes, world, || dns(trio));
}

/// `status` until the condition is broken and its detail holds these words, while these others hold: among them what the
/// check before this one broke and mended.
fn named(trio: &Trio, name: &str, words: &[&str], hold: &[&str]) -> Proof {
    trio.world.until(&format!("{name} to be named"), || {
        let answer = trio.status()?;
        let (shown, detail) = condition(&answer, name)?;
        ensure!(shown == "no" && words.iter().all(|w| detail.contains(w)), "{name} is {shown}: {detail}");
        let finding = answer["findings"].to_string();
        ensure!(answer["healthy"] == false && finding.contains("AL-STA-007"), "findings {finding}");
        for other in hold {
            let (shown, why) = condition(&answer, other)?;
            ensure!(shown != "no", "beside {name}, {other} is {shown}: {why}");
        }
        Ok(detail)
    })
}

fn workload(trio: &Trio) -> Proof {
    let labels = json!({"app": "never"});
    trio.world.apply(&json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "never", "namespace": "kube-system"},
        "spec": {"replicas": 1, "selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels},
            "spec": {"containers": [{"name": "c", "image": "docker.io/airlab/no-such-image:1"}]}}}
    }))?;
    let hold = ["api", "nodes", "images", "dns", "traffic"];
    let told = named(trio, "workloads", &["deployment kube-system/never: 0 of 1"], &hold);
    trio.world.delete(&["deployment", "-n", "kube-system", "never"])?;
    told
}

/// The worker's pods are cut off from the other nodes'.
fn traffic(trio: &Trio) -> Proof {
    let rule = |verb: &str| format!("iptables {verb} FORWARD ! -i cni0 -d 10.42.0.0/16 -j DROP");
    trio.world.root_on("worker", &rule("-I"))?;
    let told = named(trio, "traffic", &["nothing from worker"], &["api", "nodes", "workloads", "images"]);
    trio.world.root_on("worker", &rule("-D"))?;
    told
}

fn pull(trio: &Trio) -> Proof {
    crate::trouble::stop_registry(&trio.world)?;
    let told = named(trio, "images", &["worker: "], &["api", "nodes", "workloads"]);
    let up = trio.json(trio.airlab(&["up"]), "registry-up")?;
    let told = told?;
    ensure!(told.contains("ErrImagePull") || told.contains("ImagePullBackOff"), "images: {told}");
    ensure!(up["changes"] == json!(["registry started"]), "up changed {}", up["changes"]);
    whole(&up)?;
    Ok(told)
}

/// The service leads nowhere for a while.
fn dns(trio: &Trio) -> Proof {
    let name =
        trio.world.kubectl(&["-n", "kube-system", "get", "service", "kube-dns", "--ignore-not-found", "-o", "name"])?;
    if name.is_empty() {
        return Ok(format!("{NOT_SHOWN}the cluster has no service kube-system/kube-dns"));
    }
    let service = || trio.world.kubectl_json(&["-n", "kube-system", "get", "service", "kube-dns"]);
    let patch = |ports: &serde_json::Value| {
        let patch = json!([{"op": "replace", "path": "/spec/ports", "value": ports}]).to_string();
        trio.world
            .kubectl(&["-n", "kube-system", "patch", "service", "kube-dns", "--type=json", "-p", &patch])
            .map(drop)
    };
    let good = service()?["spec"]["ports"].clone();
    let mut bad = good.clone();
    for port in bad.as_array_mut().into_iter().flatten() {
        port["port"] = json!(port["port"].as_u64().unwrap_or(53) + 1000);
    }
    patch(&bad)?;
    let hold = ["api", "nodes", "workloads", "images", "traffic"];
    let told = named(trio, "dns", &["from "], &hold);
    patch(&good)?;
    let told = told?;
    trio.world.until("a whole cluster again", || whole(&trio.status()?))?;
    Ok(told)
}
