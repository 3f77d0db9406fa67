//! Another lab file: another network, four nodes, other names.

use std::time::Duration;

use crate::product::Ready;
use crate::proof::{Fail, ensure};
use crate::report::Report;
use crate::world::World;
use crate::{life, trouble, twice};

const LAB: &str = include_str!("../labs/four.toml");

pub(crate) fn suite(report: &mut Report) -> Result<(), Fail> {
    let world = World::new("quartet", Some(LAB))?;
    let mut ready = None;
    report.check("second/provision-four-nodes", Duration::from_secs(15 * 60), &world, || {
        let run = world.provision("first")?;
        run.succeeded()?;
        let answer: Ready = run.json()?;
        let nodes: Vec<String> = answer.nodes.iter().map(|n| format!("{}={}", n.name, n.address)).collect();
        ensure!(nodes.len() == 4 && answer.nodes.iter().all(|n| n.ready), "nodes {nodes:?}");
        ensure!(nodes.iter().all(|n| n.contains("=10.77.0.")), "nodes {nodes:?}");
        ensure!(
            answer.lab == "quartet" && answer.registry.starts_with("10.77.0.1:"),
            "{} {}",
            answer.lab,
            answer.registry
        );
        let text = format!("{} in {:.0} s; by {}", nodes.join(", "), run.took.as_secs_f32(), answer.evidence);
        ready = Some(answer);
        Ok(text)
    });
    if let Some(ready) = &ready {
        report.gained_by(&ready.evidence);
        report.check("second/again-changes-nothing", Duration::from_secs(60), &world, || twice::again(&world, ready));
        report.check("second/status", Duration::from_secs(60), &world, || trouble::healthy(&world, ready));
        report.check("second/kubectl", Duration::from_secs(60), &world, || {
            for node in &ready.nodes {
                world.until_node_is(&node.name, "True")?;
            }
            Ok(format!("{} Ready through the user's kubeconfig", ready.nodes.len()))
        });
    }
    report.check("second/destroy", Duration::from_secs(240), &world, || life::destroy(&world));
    Ok(())
}
