//! What goes wrong on clusters, each made, named by `kubesphere status`, and mended.

use std::time::Instant;

use serde_json::{Value, json};

use super::files::CHART;
use super::{MINUTE, NAMESPACE, healthy, status};
use crate::proof::{Fail, Proof, ensure};
use crate::report::Report;
use crate::world::World;

/// What has to be named.
struct Wanted<'a> {
    cause: &'a str,
    object: &'a str,
    image: &'a str,
    message: &'a str,
}

pub(super) fn checks(report: &mut Report, world: &World) {
    let mut check = |name: &str, proof: fn(&World) -> Proof| {
        report.check(&format!("kubesphere/{name}"), 3 * MINUTE, world, || proof(world));
    };
    check("wrong-image-is-named", wrong_image);
    check("crash-loop-is-named", crash_loop);
    check("pending-claim-is-named", pending_claim);
    check("missing-definition-is-named", missing_definition);
}

fn wrong_image(world: &World) -> Proof {
    let image = "docker.io/airlab/not-there:9";
    world.kubectl(&["-n", NAMESPACE, "set", "image", "deployment/ks-console", &format!("ks-console={image}")])?;
    let object = format!("Pod {NAMESPACE}/ks-console-");
    let told = named(world, &Wanted { cause: "image", object: &object, image, message: "Image" })?;
    let lab = world.run(world.airlab("status", &["--quick"]))?.text();
    let line = lab.lines().find(|l| l.contains("AL-STA-008") && l.contains(image));
    ensure!(line.is_some(), "airlab status does not say it: {lab}");
    world.kubectl(&["-n", NAMESPACE, "rollout", "undo", "deployment/ks-console"])?;
    mended(world, told)
}

fn crash_loop(world: &World) -> Proof {
    let patch = r#"[{"op":"replace","path":"/spec/template/spec/containers/0/args","value":["ks-nobody"]}]"#;
    world.kubectl(&["-n", NAMESPACE, "patch", "deployment", "ks-controller-manager", "--type=json", "-p", patch])?;
    let object = format!("Pod {NAMESPACE}/ks-controller-manager-");
    let image = "airlab/ks-stand-in:1";
    let told = named(world, &Wanted { cause: "crash_loop", object: &object, image, message: "ks-nobody" })?;
    world.kubectl(&["-n", NAMESPACE, "rollout", "undo", "deployment/ks-controller-manager"])?;
    mended(world, told)
}

/// The demo lab has no storage class: a claim waits for a volume that somebody has to make.
fn pending_claim(world: &World) -> Proof {
    let size = json!({ "storage": "1Gi" });
    let claim = json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim",
        "metadata": {"name": "data", "namespace": NAMESPACE},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": size}}});
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "keeper", "namespace": NAMESPACE},
        "spec": {"terminationGracePeriodSeconds": 0,
            "containers": [{"name": "keeper", "image": demolab::KUBESPHERE, "args": ["extension"],
                "volumeMounts": [{"name": "data", "mountPath": "/data"}]}],
            "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]}});
    world.apply(&json!({"apiVersion": "v1", "kind": "List", "items": [claim, pod]}))?;
    let object = format!("PersistentVolumeClaim {NAMESPACE}/data");
    let message = "no class is the default";
    let told = named(world, &Wanted { cause: "pending_claim", object: &object, image: "", message })?;
    let volume = json!({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "data"},
        "spec": {"accessModes": ["ReadWriteOnce"], "capacity": size,
            "hostPath": {"path": "/var/lib/e2e-data", "type": "DirectoryOrCreate"}}});
    world.apply(&volume)?;
    let told = mended(world, told)?;
    world.delete(&["-n", NAMESPACE, "pod/keeper", "pvc/data"])?;
    world.delete(&["pv/data"])?;
    Ok(told)
}

fn missing_definition(world: &World) -> Proof {
    world.delete(&["crd/repositories.kubesphere.io"])?;
    let object = "CustomResourceDefinition repositories.kubesphere.io";
    let told = named(world, &Wanted { cause: "missing_definition", object, image: "", message: "deleted it since" })?;
    let file = format!("{CHART}/ks-core/crds/repositories.yaml");
    world.kubectl(&["create", "-f", &file])?;
    mended(world, told)
}

/// Waits until `status` names it, and nothing else.
fn named(world: &World, wanted: &Wanted<'_>) -> Result<String, Fail> {
    let start = Instant::now();
    let finding = world.until(wanted.object, || finding(&status(world)?, wanted))?;
    let text = |key: &str| finding[key].as_str().unwrap_or_default().to_owned();
    Ok(format!(
        "after {:.0} s: {} {} {}",
        start.elapsed().as_secs_f32(),
        text("object"),
        text("image"),
        text("message")
    ))
}

fn finding(answer: &Value, wanted: &Wanted<'_>) -> Result<Value, Fail> {
    let all = answer["findings"].as_array().cloned().unwrap_or_default();
    let has = |f: &Value, key: &str, text: &str| f[key].as_str().is_some_and(|t| t.contains(text));
    let fits =
        |f: &&Value| f["cause"] == wanted.cause && has(f, "object", wanted.object) && has(f, "message", wanted.message);
    let found = all.iter().find(fits);
    let Some(found) = found.filter(|f| has(f, "image", wanted.image)) else {
        return Err(Fail(format!("findings {all:?}")));
    };
    ensure!(all.len() == 1 && answer["healthy"] == false, "other findings too: {all:?}");
    Ok(found.clone())
}

fn mended(world: &World, told: String) -> Proof {
    let start = Instant::now();
    world.until("health again", || healthy(world))?;
    Ok(format!("{told}; mended and healthy after {:.0} s", start.elapsed().as_secs_f32()))
}
