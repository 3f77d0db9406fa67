//! A second run changes nothing, counted outside the product.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use crate::product::Ready;
use crate::proof::{Fail, Proof, ensure};
use crate::tree::{differences, moves_by_itself, tree};
use crate::world::World;

/// What the second run left in the logs of others.
struct Traces {
    registry: usize,
    calls: usize,
    sudo: BTreeMap<String, usize>,
}

fn log_lines(world: &World, path: &str) -> Vec<String> {
    let text = fs::read_to_string(world.lab_dir().join(path)).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

/// The commands run as root on a node since its boot, as its own journal has them.
fn sudo_lines(world: &World, node: &str) -> Result<Vec<String>, Fail> {
    let line = "journalctl -b --no-pager -o cat _COMM=sudo | grep COMMAND= || true";
    Ok(world.root_on(node, line)?.text().lines().map(str::to_owned).collect())
}

impl Traces {
    fn count(world: &World, ready: &Ready) -> Result<Self, Fail> {
        let mut sudo = BTreeMap::new();
        for node in &ready.nodes {
            sudo.insert(node.name.clone(), sudo_lines(world, &node.name)?.len());
        }
        let registry = log_lines(world, "logs/registry-access.log").len();
        Ok(Self { registry, calls: log_lines(world, "provider/calls.log").len(), sudo })
    }
}

/// Runs `provision` again and looks at everything it could have touched.
pub(crate) fn again(world: &World, ready: &Ready) -> Proof {
    let before = tree(&world.lab_dir(), moves_by_itself)?;
    let kubeconfig = fs::read(world.user_kubeconfig())?;
    ensure!(before.len() > 5, "the lab's folder has {} files: looking at the wrong one", before.len());
    let was = Traces::count(world, ready)?;
    ensure!(was.registry > 0 && was.calls > 0, "{} registry and {} provider log lines", was.registry, was.calls);
    let run = world.provision("second")?;
    run.succeeded()?;
    let second: Ready = run.json()?;
    ensure!(second.changed == 0 && second.changes.is_empty(), "changed {}: {:?}", second.changed, second.changes);
    // on a machine that others use too, the first run tells what is slow here
    let limit = Duration::from_secs(15.max(ready.seconds / 2));
    ensure!(run.took < limit, "it took {:.1?}, at most {limit:?} wanted", run.took);
    let after = tree(&world.lab_dir(), moves_by_itself)?;
    if let Some(paths) = differences(&before, &after) {
        return Err(Fail(format!("files differ: {paths}")));
    }
    ensure!(kubeconfig == fs::read(world.user_kubeconfig())?, "the user's kubeconfig changed");
    let requests = log_lines(world, "logs/registry-access.log").split_off(was.registry);
    let writes = requests.iter().find(|l| ["PUT", "POST", "PATCH", "DELETE"].iter().any(|m| has_word(l, m)));
    ensure!(writes.is_none(), "the registry was written to: {writes:?}");
    let calls = log_lines(world, "provider/calls.log").split_off(was.calls);
    let forbidden = ["start", "stop", "reset", "deleteVM", "connectNamedDevice", "disconnectNamedDevice"];
    let moved = calls.iter().find(|l| forbidden.iter().any(|verb| has_word(l, verb)));
    ensure!(moved.is_none(), "a machine was touched: {moved:?}");
    let mut commands = 0;
    for node in &ready.nodes {
        let new = sudo_lines(world, &node.name)?.split_off(was.sudo[&node.name]);
        let changing = new.iter().find(|l| CHANGING.iter().any(|c| l.contains(c)));
        ensure!(changing.is_none(), "{}: a changing command ran: {changing:?}", node.name);
        commands += new.len();
    }
    Ok(format!(
        "changed 0 in {:.1} s; {} files equal, {} registry requests and {} provider calls, none writing; {commands} \
         sudo lines on the nodes, none changing",
        run.took.as_secs_f32(),
        after.len(),
        requests.len(),
        calls.len()
    ))
}

/// What a run that changes nothing has no business to run as root.
const CHANGING: &[&str] = &[
    "systemctl start",
    "systemctl restart",
    "systemctl enable",
    "systemctl daemon-reload",
    "/install ",
    "/mv ",
    "/cp ",
    "/tee ",
    "/dd ",
    "apt-get",
    "/rm ",
    "/chmod ",
    "/chown ",
    "/mkdir ",
    "reboot",
];

/// Whether the line has this word, in quotes or not.
fn has_word(line: &str, word: &str) -> bool {
    line.split(|c: char| !c.is_ascii_alphanumeric()).any(|w| w == word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_found_whole() {
        assert!(has_word("12:00 [\"-T\",\"ws\",\"start\",\"/x.vmx\"] 0", "start"));
        assert!(!has_word("HEAD /v2/airlab/restart/manifests/1 200", "start"));
        assert!(has_word("PUT /v2/a/blobs 201 5", "PUT"));
    }
}
