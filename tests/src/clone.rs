//! `vm.create = "clone"`: one machine is installed and every node is a linked clone of it, against `install`.

mod broken;
mod same;
mod timed;

use std::time::Duration;

use crate::product::Ready;
use crate::proof::{Fail, Proof, ensure};
use crate::report::Report;
use crate::world::World;
use crate::{life, trouble, twice};

const LAB: &str = include_str!("../labs/clone.toml");
/// Its nodes.
const NODES: [&str; 3] = ["alpha", "beta", "gamma"];
const MINUTE: Duration = Duration::from_secs(60);

pub(crate) fn suite(report: &mut Report) -> Result<(), Fail> {
    let golden_takes = timed::check(report, timed::On::Containers)?;
    let world = World::new("triplet", Some(LAB))?;
    let mut ready: Option<Ready> = None;
    report.check("clone/broken-off-in-the-golden-machine", 12 * MINUTE, &world, || {
        let (text, answer) = broken::check(&world, golden_takes)?;
        ready = Some(answer);
        Ok(text)
    });
    if let Some(ready) = &ready {
        report.gained_by(&ready.evidence);
        report.check("clone/nodes-are-different-machines", MINUTE, &world, || same::different(&world, &NODES));
        report.check("clone/again-changes-nothing", MINUTE, &world, || twice::again(&world, ready));
        report.check("clone/status-names-the-golden-machine", MINUTE, &world, || status(&world, ready));
        report.check("clone/a-reboot-keeps-the-identity", 4 * MINUTE, &world, || same::rebooted(&world, ready));
        report.check("clone/a-node-made-anew", 8 * MINUTE, &world, || same::anew(&world, ready));
    }
    report.check("clone/destroy", 4 * MINUTE, &world, || {
        let text = life::destroy(&world)?;
        ensure!(!world.lab_dir().exists(), "{} is still there", world.lab_dir().display());
        Ok(text)
    });
    Ok(())
}

/// Clones against installations as emulated machines, and that the clones are machines of their own.
pub(crate) fn machines(report: &mut Report) -> Result<(), Fail> {
    timed::check(report, timed::On::Machines).map(drop)
}

/// The name of the lab's golden machine, by its folder; there must be one.
fn golden(world: &World) -> Result<String, Fail> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(world.lab_dir().join("nodes"))? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.retain(|n| n.starts_with("golden-"));
    ensure!(names.len() == 1, "golden machines: {names:?}");
    Ok(names.remove(0))
}

/// How often a machine was started, by the provider's own log.
fn starts(world: &World, machine: &str) -> usize {
    let log = std::fs::read_to_string(world.lab_dir().join("provider/calls.log")).unwrap_or_default();
    let vmx = format!("/{machine}.vmx\"");
    log.lines().filter(|l| l.contains("\"start\"") && l.contains(&vmx)).count()
}

fn status(world: &World, ready: &Ready) -> Proof {
    let text = trouble::healthy(world, ready)?;
    let (_, answer) = trouble::status(world)?;
    let said = answer["golden"].to_string();
    let name = golden(world)?;
    ensure!(said.contains(&name) && ready.nodes.iter().all(|n| said.contains(&n.name)), "golden: {said}");
    Ok(format!("{text}; {said}"))
}
