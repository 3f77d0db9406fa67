//! The machine loses its power in the middle of things, and the same command again ends well.

use std::time::Duration;

use super::node::Machine;
use super::{MINUTE, START};
use crate::proof::{Fail, Proof, ensure};
use crate::report::Report;

pub(crate) fn checks(report: &mut Report, machine: &Machine<'_>) {
    let world = machine.world;
    report.check("boot/power-cut-while-k3s-starts", 40 * MINUTE, world, || {
        machine.root("rm -f /usr/local/bin/k3s")?;
        let cut = cut(machine, "server", |said| said.contains("waiting for k3s.service"))?;
        machine.up(START)?;
        let state = machine.settled_or_starting()?;
        let sum = machine.root("sha256sum < /usr/local/bin/k3s; systemctl is-enabled k3s")?;
        ensure!(sum.lines().nth(1) == Some("enabled"), "k3s is not enabled: {sum}");
        Ok(format!("{cut}; again: {state}, k3s is whole"))
    });
    report.check("boot/power-cut-while-the-system-is-written", 60 * MINUTE, world, || {
        crate::life::destroy(world)?;
        let console = machine.console.rest();
        let cut = cut(machine, "clocks", move |_| console.text().contains("installer: root tree: "))?;
        let again = machine.up(START)?;
        let lines = machine.console.in_order(&["installer: root tree: ", "installer: now reboot", "master login:"])?;
        let state = machine.settled()?;
        Ok(format!("{cut}; again: {} s, {state}; {}", again["seconds"], lines.join(" | ")))
    });
}

/// Starts a provision, cuts the power once `now` says so, and waits for the provision's end, which must name what happened.
fn cut(machine: &Machine<'_>, until: &str, now: impl Fn(&str) -> bool) -> Proof {
    let world = machine.world;
    let mut run = world.start(&world.airlab("provision", &["--yes", "--until", until]), "cut")?;
    loop {
        if let Some(code) = run.look()? {
            return Err(Fail(format!("provision ended with {code} before the cut: {}", world.last())));
        }
        if run.lines().last().is_some_and(|(_, line)| now(line)) {
            break;
        }
        if world.left() < Duration::from_secs(60) {
            run.end()?;
            return Err(Fail(format!("the moment did not come; last: {}", world.last())));
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    machine.vmrun(&["stop", "VMX", "hard"])?;
    let start = std::time::Instant::now();
    // what it waits for never comes: it notices by itself, or is told to stop
    while run.look()?.is_none() {
        if start.elapsed() > Duration::from_secs(90) {
            run.interrupt()?;
            while run.look()?.is_none() && world.left() > Duration::from_secs(1) {
                std::thread::sleep(Duration::from_millis(100));
            }
            return Ok("power cut; provision still waited after 90 s and was stopped".into());
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    Ok(format!("power cut; provision: {}", world.last()))
}
