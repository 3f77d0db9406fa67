//! `network.mode = "bridge"`: vmnet1 on the host itself, where the host is a network namespace of the test's own.

use std::time::Duration;

use crate::product::Ready;
use crate::proof::{Fail, ensure};
use crate::report::Report;
use crate::world::World;
use crate::{life, trouble};

const LAB: &str = include_str!("../labs/bridge.toml");

/// A network namespace that is removed when dropped.
pub(crate) struct Namespace<'a> {
    world: &'a World,
    name: String,
}

impl<'a> Namespace<'a> {
    pub(crate) fn new(world: &'a World) -> Result<Self, Fail> {
        let name = format!("airlab-e2e-{}", std::process::id());
        world.ok(world.bare("ip").args(["netns", "add", &name]))?;
        let made = Self { world, name };
        made.ip(&["link", "set", "lo", "up"])?;
        Ok(made)
    }

    /// The words that start a program in it.
    pub(crate) fn enter(&self) -> [String; 3] {
        ["nsenter".into(), format!("--net=/run/netns/{}", self.name), "--".into()]
    }

    fn ip(&self, args: &[&str]) -> Result<String, Fail> {
        Ok(self.world.ok(self.world.bare("ip").args(["-n", &self.name]).args(args.iter().copied()))?.text())
    }
}

impl Drop for Namespace<'_> {
    fn drop(&mut self) {
        let delete = machine::Cmd::new("ip").args(["netns", "delete", &self.name]);
        let _ = machine::Local.run(&delete);
    }
}

pub(crate) fn suite(report: &mut Report) -> Result<(), Fail> {
    let outer = World::new("none", None)?;
    outer.set_deadline(std::time::Instant::now() + Duration::from_secs(30));
    let namespace = Namespace::new(&outer)?;
    let enter = namespace.enter();
    let world = World::new("bridged", Some(LAB))?.through(&enter.each_ref().map(String::as_str));
    let mut ready = None;
    report.check("bridge/provision", Duration::from_secs(15 * 60), &world, || {
        let run = world.provision("first")?;
        run.succeeded()?;
        let answer: Ready = run.json()?;
        ensure!(answer.nodes.len() == 2 && answer.nodes.iter().all(|n| n.ready), "{:?}", answer.nodes);
        let took = run.took.as_secs_f32();
        let text = format!("{} nodes Ready in {took:.0} s; by {}", answer.nodes.len(), answer.evidence);
        ready = Some(answer);
        Ok(text)
    });
    if let Some(ready) = &ready {
        report.gained_by(&ready.evidence);
        report.check("bridge/vmnet1-is-on-the-host-itself", Duration::from_secs(60), &world, || {
            outer.set_deadline(std::time::Instant::now() + Duration::from_secs(30));
            let shown = namespace.ip(&["-brief", "address", "show", "dev", "vmnet1"])?;
            ensure!(shown.contains("192.168.9.1/24"), "vmnet1: {shown}");
            for node in &ready.nodes {
                let key = world.ok(world.cmd("ssh-keyscan").args(["-T", "5", &node.address]))?.text();
                ensure!(key.contains(&node.address), "{} does not answer: {key:?}", node.name);
            }
            Ok(format!("{shown}; every node answers at its own address, without a forward"))
        });
        report.check("bridge/api-from-the-host", Duration::from_secs(60), &world, || {
            for node in &ready.nodes {
                world.until_node_is(&node.name, "True")?;
            }
            trouble::healthy(&world, ready)
        });
    }
    report.check("bridge/destroy-takes-vmnet1-away", Duration::from_secs(180), &world, || {
        let text = life::destroy(&world)?;
        outer.set_deadline(std::time::Instant::now() + Duration::from_secs(30));
        let links = namespace.ip(&["-brief", "link"])?;
        ensure!(!links.contains("vmnet1"), "still there: {links}");
        Ok(text)
    });
    Ok(())
}
