//! States of a machine that are kept and come back: snapshots off and live, suspension, linked clones.

use std::time::{Duration, Instant};

use super::node::Machine;
use super::{MINUTE, START};
use crate::proof::{Proof, ensure};
use crate::report::Report;

pub(crate) fn checks(report: &mut Report, machine: &Machine<'_>) {
    let mut each = |name: &str, check: fn(&Machine<'_>) -> Proof| {
        report.check(&format!("boot/{name}"), 25 * MINUTE, machine.world, || check(machine));
    };
    each("snapshot-of-a-machine-that-is-off", off);
    each("snapshot-of-a-running-machine", live);
    each("suspended-and-resumed", suspended);
    each("both-engines-boot-the-same-disk", both_engines);
}

fn off(machine: &Machine<'_>) -> Proof {
    machine.root("rm -f /root/mark; sync")?;
    machine.vmrun(&["stop", "VMX", "soft"])?;
    machine.vmrun(&["snapshot", "VMX", "clean"])?;
    machine.up(START)?;
    machine.root("echo dirty > /root/mark; sync")?;
    machine.vmrun(&["stop", "VMX", "soft"])?;
    machine.up(START)?;
    let kept = machine.root("cat /root/mark")?;
    machine.vmrun(&["stop", "VMX", "soft"])?;
    machine.vmrun(&["revertToSnapshot", "VMX", "clean"])?;
    machine.up(START)?;
    let after = machine.root("cat /root/mark 2>&1; true")?;
    ensure!(kept == "dirty" && after.contains("No such file"), "before the revert {kept:?}, after it {after:?}");
    let list = machine.vmrun(&["listSnapshots", "VMX"])?;
    ensure!(list.lines().any(|l| l == "clean"), "{list}");
    Ok(format!("{kept} stayed over a reboot and is gone after the revert; {}", machine.clock_is_right()?))
}

fn live(machine: &Machine<'_>) -> Proof {
    machine.root("echo before > /root/live; echo before > /run/live; sync")?;
    let boot = machine.boot_id()?;
    let start = Instant::now();
    machine.vmrun(&["snapshot", "VMX", "running"])?;
    let took = start.elapsed();
    machine.root("echo after > /root/live; echo after > /run/live; sync")?;
    ensure!(machine.boot_id()? == boot, "the snapshot made the machine boot anew");
    machine.vmrun(&["revertToSnapshot", "VMX", "running"])?;
    machine.vmrun(&["start", "VMX", "nogui"])?;
    let after = machine.world.until("the machine to go on", || machine.root("cat /root/live /run/live"))?;
    ensure!(after == "before\nbefore", "after the revert: {after:?}");
    ensure!(machine.boot_id()? == boot, "the machine booted anew instead of going on");
    let clock = machine.until_right(Duration::from_secs(240))?;
    Ok(format!("taken in {took:.1?}; disk and memory are those of the snapshot; clock {clock}"))
}

fn suspended(machine: &Machine<'_>) -> Proof {
    let boot = machine.boot_id()?;
    let start = Instant::now();
    machine.vmrun(&["suspend", "VMX", "soft"])?;
    let took = start.elapsed();
    let list = machine.vmrun(&["list"])?;
    ensure!(!list.contains("master.vmx"), "still runs: {list}");
    std::thread::sleep(Duration::from_secs(20));
    let start = Instant::now();
    machine.vmrun(&["start", "VMX", "nogui"])?;
    let again = machine.world.until("the machine to go on", || machine.boot_id())?;
    ensure!(again == boot, "the machine booted anew instead of going on");
    let back = start.elapsed();
    let clock = machine.until_right(Duration::from_secs(240))?;
    Ok(format!("written in {took:.1?}, back in {back:.1?}; clock {clock}; {}", machine.clock_is_right()?))
}

/// From this engine to the other and back, each time a whole boot of the same disk.
fn both_engines(machine: &Machine<'_>) -> Proof {
    let world = machine.world;
    let kernel = machine.root("uname -r")?;
    let mut told = vec![format!("kernel {kernel}")];
    for engine in ["container", super::ENGINE] {
        machine.root(&format!("echo for {engine} > /root/engine; sync"))?;
        machine.vmrun(&["stop", "VMX", "soft"])?;
        world.set_engine(engine);
        machine.up(START)?;
        let said =
            machine.root("cat /root/engine; uname -r; hostname; ip -4 -br address show scope global | head -n 1")?;
        let lines: Vec<&str> = said.lines().collect();
        ensure!(lines.first() == Some(&format!("for {engine}").as_str()), "{said}");
        let own = lines.get(1) == Some(&kernel.as_str());
        ensure!(own == (engine == super::ENGINE), "{engine}: kernel {said}");
        told.push(format!("{engine}: {}", lines[1..].join(" ")));
    }
    Ok(told.join("; "))
}
