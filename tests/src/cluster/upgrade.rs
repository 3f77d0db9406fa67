//! Another k3s on every node: one that is not healthy goes back, a good one comes to one node after the other.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::proof::{Fail, Proof, ensure, fail};
use crate::report::{NOT_SHOWN, Report};

use super::suite::{Trio, whole};

const NODES: [&str; 4] = ["one", "two", "three", "worker"];
const PROGRAM: &str = "/usr/local/bin/k3s";

pub(crate) fn checks(report: &mut Report, trio: &Trio) {
    let (minutes, world) = (Duration::from_secs(600), &trio.world);
    report.check("cluster/an-unhealthy-k3s-goes-back", minutes, world, || goes_back(trio));
    report.check("cluster/another-k3s-one-by-one", minutes, world, || one_by_one(trio));
}

/// What each node's kubelet says it is.
fn versions(trio: &Trio) -> Result<BTreeMap<String, String>, Fail> {
    let path = "jsonpath={range .items[*]}{.metadata.name} {.status.nodeInfo.kubeletVersion}{\"\\n\"}{end}";
    let text = trio.world.kubectl(&["get", "nodes", "-o", path])?;
    Ok(text.lines().filter_map(|l| l.split_once(' ')).map(|(n, v)| (n.to_owned(), v.to_owned())).collect())
}

fn snapshots(trio: &Trio) -> Result<usize, Fail> {
    let list = trio.json(trio.airlab(&["etcd", "list"]), "list")?;
    let of = |s: &&serde_json::Value| s["name"].as_str().is_some_and(|n| n.starts_with("pre-upgrade"));
    Ok(list.as_array().map_or(0, |all| all.iter().filter(of).count()))
}

/// A program that can be started, and ends at once.
fn goes_back(trio: &Trio) -> Proof {
    let world = &trio.world;
    let broken = world.ok(world.bare("sh").args(["-c", "command -v busybox"]))?.text();
    let (_, airgap) = trio.files()?;
    let (before, saved) = (versions(trio)?, snapshots(trio)?);
    let digest = |node: &str| Ok::<_, Fail>(world.root_on(node, &format!("sha256sum {PROGRAM}"))?.text());
    let program = digest("one")?;
    let run =
        world.watch(&trio.airlab(&["provision", "--yes", "--k3s", broken.trim(), "--airgap", &airgap]), "broken")?;
    let said: Vec<&str> = run.lines.iter().map(|(_, line)| line.as_str()).collect();
    let said = said.join("\n");
    ensure!(run.code == 70 && said.contains("AL-K3S-013"), "provision ended with {}: {said}", run.code);
    let after = versions(trio)?;
    ensure!(after == before, "versions {before:?}, now {after:?}");
    ensure!(digest("one")? == program && digest("two")? == program, "{PROGRAM} is another one");
    ensure!(snapshots(trio)? == saved + 1, "no snapshot was saved before");
    let touched = said.contains("upgrade/two");
    ensure!(!touched, "a second node was touched after the first had failed: {said}");
    let told = world.until("a whole cluster", || whole(&trio.status()?))?;
    let why = said.lines().find(|l| l.contains("goes back")).unwrap_or_default().trim();
    Ok(format!("{why}; {} again, snapshot saved before; {told}", before["one"]))
}

fn one_by_one(trio: &Trio) -> Proof {
    let Some((k3s, airgap)) = trio.other_files()? else {
        return Ok(format!("{NOT_SHOWN}no other k3s to upgrade to: name one with --next-k3s FILE --next-airgap FILE"));
    };
    let (before, saved) = (versions(trio)?, snapshots(trio)?);
    let answer = trio.json(trio.airlab(&["provision", "--yes", "--k3s", &k3s, "--airgap", &airgap]), "upgrade")?;
    let told = whole(&answer)?;
    let after = versions(trio)?;
    let new = |node: &str| after.get(node) == after.get("one") && after.get(node) != before.get(node);
    ensure!(NODES.iter().all(|node| new(node)), "versions {before:?}, now {after:?}");
    ensure!(snapshots(trio)? == saved + 1, "no snapshot was saved before");
    let order = trio.steps("upgrade/")?;
    let wanted: Vec<String> =
        NODES.iter().flat_map(|n| [format!("started upgrade/{n}"), format!("finished upgrade/{n}")]).collect();
    ensure!(order.ends_with(&wanted), "{order:?}");
    let nodes = trio.world.kubectl_json(&["get", "nodes"])?;
    let Some(nodes) = nodes["items"].as_array() else { fail!("no nodes in {nodes}") };
    ensure!(nodes.iter().all(|n| n["spec"]["unschedulable"] != true), "a node takes no pods");
    Ok(format!("{} -> {} on {}; {told}", before["one"], after["one"], NODES.join(", ")))
}
