//! Clocks of one full machine: refused before k3s may start, mended under a running k3s, and a desktop that is wrong.

use std::time::Duration;

use serde_json::Value;

use crate::boot::clock::start_kubernetes;
use crate::boot::node::{self, Machine};
use crate::life;
use crate::proof::{Fail, Proof, ensure};
use crate::report::Report;
use crate::trouble;
use crate::world::World;

const MINUTE: Duration = Duration::from_secs(60);
/// A `date` that refuses to set the clock, found before the system's.
const REFUSES: &str = "printf '#!/bin/sh\\n[ \"$1\" = -s ] && exit 1\\nexec /bin/date \"$@\"\\n' > /usr/local/sbin/date; \
                       chmod 755 /usr/local/sbin/date";

/// The machine is installed by the container engine, which is quicker, and then booted for itself.
pub(crate) fn suite(report: &mut Report) -> Result<(), Fail> {
    let world = World::new("machine", Some(&node::lab("bios", crate::boot::START)))?;
    let machine = Machine::new(&world, "bios");
    let up =
        report.check("clocks/a-machine-with-a-clock-of-its-own", 30 * MINUTE, &world, || machine.install_elsewhere());
    if up {
        report.check("clocks/off-by-40-s-is-refused-before-join", 10 * MINUTE, &world, || refused(&machine));
        let running = report.check("clocks/k3s-runs", 30 * MINUTE, &world, || running(&machine));
        if running {
            report.check("clocks/a-5-minute-step-is-seen-and-explained", 10 * MINUTE, &world, || seen(&machine));
            report.check("clocks/a-5-minute-step-is-mended", 15 * MINUTE, &world, || mended(&machine));
        }
        report.check("clocks/a-wrong-desktop-is-told-and-not-followed", 10 * MINUTE, &world, || moved(&machine));
    }
    report.check("clocks/destroy", 4 * MINUTE, &world, || life::destroy(&world));
    Ok(())
}

/// A clock that the node cannot put right: no k3s there, and the remedy is told.
fn refused(machine: &Machine<'_>) -> Proof {
    let world = machine.world;
    machine.root(&format!("systemctl stop sync-time.timer; {REFUSES}; /bin/date -s '+40 seconds'"))?;
    let out = world.run(world.airlab("provision", &["--yes", "--until", "server"]))?;
    let said = out.error_text();
    machine.root("rm -f /usr/local/sbin/date; /usr/local/sbin/sync-time; systemctl start sync-time.timer")?;
    ensure!(out.code != 0 && said.contains("AL-TIM-002"), "provision ended with {}: {said}", out.code);
    let k3s = machine.root("systemctl is-active k3s; true")?;
    ensure!(k3s.trim() != "active", "k3s is {k3s}");
    machine.clock_is_right()?;
    Ok(said.lines().filter(|l| !l.starts_with('[')).collect::<Vec<_>>().join(" | "))
}

fn running(machine: &Machine<'_>) -> Proof {
    start_kubernetes(machine)?;
    machine.world.until("k3s to run", || {
        let state = machine.root("systemctl is-active k3s; true")?;
        ensure!(state.trim() == "active", "k3s is {state}");
        Ok(state)
    })
}

/// The tool's answer about the node, whatever its exit code.
fn timesync(machine: &Machine<'_>, verb: &str) -> Result<Value, Fail> {
    let world = machine.world;
    let ssh = world.lab_dir().join("ssh");
    let cmd = world.airlab("run", &["--"]).arg(world.program("timesync")).args([verb, "--output", "json"]);
    let cmd = cmd.args(["--ssh", "192.168.61.10:22", "--key"]).arg(ssh.join("id_ed25519"));
    let out = world.run(cmd.arg("--host-key").arg(ssh.join("host_master.pub")))?;
    Ok(serde_json::from_slice(&out.stdout)?)
}

fn seen(machine: &Machine<'_>) -> Proof {
    machine.root("systemctl stop sync-time.timer; date -s '+5 minutes'")?;
    let (healthy, answer) = trouble::status(machine.world)?;
    let findings = answer["findings"].to_string();
    ensure!(!healthy && findings.contains("AL-STA-005"), "status: {answer}");
    let causes = timesync(machine, "diagnose")?.to_string();
    ensure!(causes.contains("AL-TIM-015") && causes.contains("AL-TIM-011"), "diagnose: {causes}");
    Ok(findings.chars().take(300).collect())
}

fn mended(machine: &Machine<'_>) -> Proof {
    machine.root("systemctl start sync-time-again.service; systemctl start sync-time.timer")?;
    let right = machine.until_right(4 * MINUTE)?;
    let journal = machine.root("journalctl -b -u sync-time-again -o cat --no-pager | grep 'k3s stopped for a step'")?;
    machine.world.until("k3s to run again", || {
        let state = machine.root("systemctl is-active k3s; true")?;
        ensure!(["active", "activating"].contains(&state.trim()), "k3s is {state}");
        Ok(())
    })?;
    Ok(format!("{right}; {journal}"))
}

/// What a node sees when the desktop's clock goes back by five minutes: its own clock and its memory of it are both five
/// minutes ahead, as the desktop's cannot be set for a test.
fn moved(machine: &Machine<'_>) -> Proof {
    machine.root(
        "systemctl stop sync-time.timer; /usr/local/sbin/sync-time; f=/run/airlab/clock.json.base; \
         echo $(($(cat $f) + 300000)) > $f; date -s '+5 minutes'; systemctl start sync-time-again.service; true",
    )?;
    let recorded = machine.recorded()?;
    ensure!(recorded["state"] == "moved", "recorded: {recorded}");
    let offset = machine.offset()?;
    ensure!((offset - 300_000).abs() < 5_000, "the clock was followed: {offset} ms");
    let causes = timesync(machine, "diagnose")?.to_string();
    ensure!(causes.contains("AL-TIM-013"), "diagnose: {causes}");
    timesync(machine, "sync")?;
    let right = machine.clock_is_right()?;
    machine.root("systemctl start sync-time.timer")?;
    Ok(format!("{recorded}; by a person's word: {right}"))
}
