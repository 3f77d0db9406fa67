//! Things break, `status` says which and why, and they mend.

use std::time::Duration;

use serde_json::Value;

use crate::kube::waiting;
use crate::objects::pod_on;
use crate::product::Ready;
use crate::proof::{Fail, Proof, ensure, fail};
use crate::report::Report;
use crate::world::World;

pub(crate) fn checks(report: &mut Report, world: &World, ready: &Ready) {
    let minute = Duration::from_secs(60);
    report.check("status/healthy", minute, world, || healthy(world, ready));
    report.check("trouble/registry-stopped-is-named-and-mended", 4 * minute, world, || registry(world, ready));
    report.check("trouble/kubelet-stopped-is-named-and-mended", 4 * minute, world, || kubelet(world, ready));
}

/// `status`: its answer and whether it says healthy; exit code and answer must agree.
pub(crate) fn status(world: &World) -> Result<(bool, Value), Fail> {
    let out = world.run(world.airlab("status", &["--output", "json"]))?;
    let Ok(answer) = serde_json::from_slice::<Value>(&out.stdout) else {
        fail!("status ended with {}: {} {}", out.code, out.text(), out.error_text())
    };
    let healthy = answer["healthy"] == true;
    ensure!((out.code == 0) == healthy, "healthy={healthy} and exit code {}: {answer}", out.code);
    ensure!(healthy || out.code == 70, "exit code {} where 70 is promised: {answer}", out.code);
    Ok((healthy, answer))
}

pub(crate) fn healthy(world: &World, ready: &Ready) -> Proof {
    world.until("status to be healthy", || {
        let (healthy, answer) = status(world)?;
        ensure!(healthy, "{}", answer["findings"]);
        let nodes = answer["nodes"].as_array().map_or(0, Vec::len);
        ensure!(nodes == ready.nodes.len(), "{nodes} nodes in status");
        Ok(format!("{nodes} nodes Ready, registry {}", answer["registry"]["address"]))
    })
}

fn state_of(answer: &Value, node: &str) -> (String, String) {
    let nodes = answer["nodes"].as_array().cloned().unwrap_or_default();
    let one = nodes.into_iter().find(|n| n["name"] == node).unwrap_or_default();
    (one["state"].as_str().unwrap_or("").to_owned(), one["why"].as_str().unwrap_or("").to_owned())
}

fn kubelet(world: &World, ready: &Ready) -> Proof {
    let node = ready.agents()?[0].name.clone();
    world.on(&node, &["sudo", "systemctl", "stop", "k3s-agent"])?;
    let named = world.until_node_is(&node, "Unknown").or_else(|_| world.until_node_is(&node, "False")).and_then(|()| {
        let (healthy, answer) = status(world)?;
        let (state, why) = state_of(&answer, &node);
        ensure!(!healthy && state == "NotReady", "status: {answer}");
        ensure!(why.contains("kubelet") || why.contains("k3s-agent"), "status gives no cause: {why:?}");
        let others = answer["nodes"].as_array().cloned().unwrap_or_default();
        ensure!(others.iter().filter(|n| n["state"] == "Ready").count() == others.len() - 1, "status: {answer}");
        Ok(why)
    });
    world.on(&node, &["sudo", "systemctl", "start", "k3s-agent"])?;
    let why = named?;
    world.until_node_is(&node, "True")?;
    healthy(world, ready)?;
    Ok(format!("{node} NotReady: {why}; started again: Ready"))
}

/// Ends the registry's process as a person would who looks for it.
pub(crate) fn stop_registry(world: &World) -> Result<(), Fail> {
    let file = world.lab_dir().join("registry.pid");
    let pid = std::fs::read_to_string(&file)?.trim().to_owned();
    pid.parse::<u32>()?;
    world.ok(world.bare("kill").args(["-TERM", &pid]))?;
    world.until("the registry's end", || {
        ensure!(world.run(world.bare("kill").args(["-0", &pid]))?.code != 0, "process {pid} is still there");
        Ok(())
    })
}

/// A pod that shall pull its image anew can't without the registry.
fn registry(world: &World, ready: &Ready) -> Proof {
    let node = &ready.server()?.name;
    stop_registry(world)?;
    let mut pod = pod_on("never-pulled", node);
    pod["spec"]["containers"][0]["imagePullPolicy"] = "Always".into();
    let broken = world.apply(&pod).and_then(|()| {
        let pull = world.until("the pull to fail", || {
            let why = waiting(&world.kubectl_json(&["get", "pod", "never-pulled"])?);
            ensure!(why.contains("ErrImagePull") || why.contains("ImagePullBackOff"), "{why:?}");
            Ok(why)
        })?;
        let (healthy, answer) = status(world)?;
        ensure!(!healthy && answer["registry"]["ok"] == false, "status: {answer}");
        let findings = answer["findings"].to_string();
        ensure!(
            findings.contains("registry") && findings.contains(&ready.registry),
            "the cause is not named: {findings}"
        );
        Ok((pull, findings))
    });
    let mended = world.provision("registry-mended")?;
    let (pull, findings) = broken?;
    mended.succeeded()?;
    let again: Ready = mended.json()?;
    ensure!(again.changed == 1, "changed {}: {:?}", again.changed, again.changes);
    world.until_pod_runs("never-pulled")?;
    world.delete(&["pod", "never-pulled"])?;
    healthy(world, ready)?;
    Ok(format!(
        "{}; status: {findings}; provision changed 1 and the pod runs",
        pull.chars().take(60).collect::<String>()
    ))
}
