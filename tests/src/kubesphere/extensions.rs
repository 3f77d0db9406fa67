//! Monitoring and logging after the core, each after what it needs; one of them stuck.

use std::collections::BTreeMap;
use std::fs;

use serde_json::{Value, json};

use super::{status, tool};
use crate::proof::{Fail, Proof, ensure, fail};
use crate::world::World;

/// Which needs which.
const NEEDS: &[(&str, &str)] = &[
    ("whizard-monitoring", "whizard-telemetry"),
    ("vector", "opensearch"),
    ("whizard-logging", "vector"),
    ("whizard-logging", "whizard-telemetry"),
];

/// The lab file now asks for everything: the chart's values change, and extensions come. One of them has an image that
/// no registry has, until somebody looks at `status` and mends it, while `provision` goes on waiting.
pub(super) fn in_order(world: &World) -> Proof {
    let file = world.scratch("lab.toml");
    let text = fs::read_to_string(&file)?;
    let full = text.replace("profile = \"core\"", "profile = \"full\"");
    ensure!(full != text, "the lab file has no profile");
    fs::write(&file, full)?;
    // the controller leaves what a repository has offered before
    let wrong = "docker.io/airlab/not-there:1";
    world.apply(&json!({"apiVersion": "kubesphere.io/v1alpha1", "kind": "ExtensionVersion",
        "metadata": {"name": "vector-1.0.4"}, "spec": {"version": "1.0.4", "namespace": "kubesphere-logging-system",
            "image": wrong, "externalDependencies": ["opensearch"]}}))?;
    let mut run = world.start(&world.airlab("provision", &["--yes", "--output", "json"]), "full")?;
    let stuck = loop {
        run.going_on()?;
        ensure!(run.look()?.is_none(), "provision ended: {:?}", run.lines().last());
        match stuck(&status(world)?, wrong) {
            // provision, which is waiting, has to say so itself too
            Some(finding) if run.lines().iter().any(|(_, l)| l.contains(wrong)) => break finding,
            _ => std::thread::sleep(std::time::Duration::from_secs(1)),
        }
    };
    let image = json!({"spec": {"image": demolab::KUBESPHERE}}).to_string();
    world.kubectl(&["patch", "extensionversion", "vector-1.0.4", "--type=merge", "-p", &image])?;
    let run = run.wait()?;
    run.succeeded()?;
    let told = run.lines.iter().any(|(_, line)| line.contains("InstallPlan vector") && line.contains(wrong));
    ensure!(told, "provision itself did not say what it was waiting for");
    let answer: Value = run.json()?;
    let changes: Vec<String> = serde_json::from_value(answer["changes"].clone())?;
    let Some(core) = changes.iter().find(|c| c.contains("revision 2")) else { fail!("no upgrade in {changes:?}") };
    let order = ordered(world)?;
    let end = status(world)?;
    ensure!(end["healthy"] == true, "{end}");
    Ok(format!("{core}; {order}; stuck meanwhile: {stuck}"))
}

/// What `status` says of the extension that is stuck, once it says it.
fn stuck(answer: &Value, image: &str) -> Option<String> {
    let all = answer["findings"].as_array()?;
    let ours = all.iter().find(|f| f["object"] == "InstallPlan vector" && f["image"] == image)?;
    let message = ours["message"].as_str()?;
    let whole =
        ours["cause"] == "extension" && message.starts_with("Installing: Pod kubesphere-logging-system/vector-");
    whole.then(|| format!("InstallPlan vector: {message}"))
}

/// Every plan came after what it needs was installed; the order, as the API has it.
fn ordered(world: &World) -> Result<String, Fail> {
    let list = world.kubectl_json(&["get", "installplans"])?;
    let mut plans = BTreeMap::new();
    for plan in list["items"].as_array().into_iter().flatten() {
        let name = plan["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        let history = plan["status"]["stateHistory"].as_array().cloned().unwrap_or_default();
        let states: Vec<&str> = history.iter().filter_map(|h| h["state"].as_str()).collect();
        ensure!(states == ["Installing", "Installed"], "{name}: {states:?}");
        let time = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        plans.insert(name, (time(&plan["metadata"]["creationTimestamp"]), time(&history[1]["lastTransitionTime"])));
    }
    ensure!(plans.len() == 5, "plans {:?}", plans.keys());
    for (one, need) in NEEDS {
        let (Some((made, _)), Some((_, installed))) = (plans.get(*one), plans.get(*need)) else {
            fail!("{one} or {need} has no plan")
        };
        ensure!(made >= installed, "{one} was asked for at {made}, {need} was installed at {installed}");
    }
    let mut order: Vec<(&String, &String)> = plans.iter().map(|(name, (made, _))| (made, name)).collect();
    order.sort();
    Ok(order.iter().map(|(_, name)| name.as_str()).collect::<Vec<_>>().join(" -> "))
}

/// An upgrade whose hook fails: Helm gives up, `provision` says so at once instead of waiting for it.
pub(super) fn failed_release(world: &World) -> Proof {
    let config = json!({"apiVersion": "helm.cattle.io/v1", "kind": "HelmChartConfig",
        "metadata": {"name": "ks-core", "namespace": "kube-system"},
        "spec": {"valuesContent": "images:\n  hooks: docker.io/airlab/ks-stand-in:1\n"}});
    let revision = status(world)?["release"]["revision"].as_u64().unwrap_or_default();
    let object = &*format!("Helm release ks-core, revision {}", revision + 1);
    world.apply(&config)?;
    let told = gives_up(world, object);
    world.delete(&["-n", "kube-system", "helmchartconfig/ks-core"])?;
    told
}

fn gives_up(world: &World, object: &str) -> Proof {
    let why = world.until(object, || {
        let answer = status(world)?;
        let all = answer["findings"].as_array().cloned().unwrap_or_default();
        let Some(found) = all.iter().find(|f| f["object"] == object && f["cause"] == "release") else {
            fail!("findings {all:?}")
        };
        Ok(found["message"].as_str().unwrap_or_default().to_owned())
    })?;
    let run = world.provision("failed")?;
    let lines: Vec<&str> = run.lines.iter().map(|(_, line)| line.as_str()).collect();
    let said = format!("{}\n{}", run.stdout, lines.join("\n"));
    ensure!(run.code != 0 && said.contains("AL-KS-005") && said.contains(object), "code {}: {said}", run.code);
    Ok(format!("{object}: {why}; provision ended with {} after {:.0} s", run.code, run.took.as_secs_f32()))
}

/// After a removal: the same password, a first revision, and as healthy as before.
pub(super) fn again(world: &World, console: &str) -> Proof {
    let file = world.scratch("lab.toml");
    let text = fs::read_to_string(&file)?.replace("profile = \"full\"", "profile = \"core\"");
    fs::write(&file, text)?;
    let run = world.provision("again")?;
    run.succeeded()?;
    let answer: Value = run.json()?;
    let changes = answer["changes"].to_string();
    ensure!(changes.contains("revision 1") && !changes.contains("password"), "changes {changes}");
    super::login::works(world, console)?;
    let healthy = super::healthy(world)?;
    Ok(format!("{healthy} after {:.0} s, with the password of before", run.took.as_secs_f32()))
}

/// Everything out again, what nobody needs first.
pub(super) fn removed(world: &World) -> Proof {
    let start = std::time::Instant::now();
    let out = world.ok(tool(world, &["remove", "--yes", "--output", "json"]))?;
    let took = start.elapsed().as_secs_f32();
    let said = out.error_text();
    let late = said.lines().find(|l| l.contains("Pods are left"));
    ensure!(late.is_none(), "{took:.0} s: {late:?}");
    let answer: Value = serde_json::from_slice(&out.stdout)?;
    let gone: Vec<String> = serde_json::from_value(answer["removed"].clone())?;
    let at = |what: &str| gone.iter().position(|g| g.contains(what)).unwrap_or(usize::MAX);
    for (one, need) in NEEDS {
        ensure!(at(one) < at(need) && at(need) < at("HelmChart"), "order {gone:?}");
    }
    ensure!(at("HelmChart") < at("Namespace") && at("Namespace") < gone.len(), "order {gone:?}");
    let spaces = world.kubectl(&["get", "namespaces", "-o", "name"])?;
    ensure!(!spaces.contains("kubesphere-system"), "{spaces}");
    let after = status(world)?;
    ensure!(after["release"].is_null() && after["healthy"] == false, "{after}");
    let again = world.ok(tool(world, &["remove", "--yes", "--output", "json"]))?;
    let again: Value = serde_json::from_slice(&again.stdout)?;
    ensure!(again["removed"] == json!([]), "a second removal removed {again}");
    Ok(format!("{} objects in {took:.0} s, in the end the namespace", gone.len()))
}
