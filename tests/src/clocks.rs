//! Clocks of one full machine: refused before k3s may start, a desktop whose own clock is wrong, and a step under a running
//! k3s.

mod desktop;

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
const REFUSES: &str = "printf '#!/bin/sh\\n[ \"$1\" = -s ] && { echo \"date: cannot set date: not allowed\" >&2; exit 1; }\\n\
                       exec /bin/date \"$@\"\\n' > /usr/local/sbin/date; chmod 755 /usr/local/sbin/date";
/// The way from the node to its registry, closed.
const CLOSED: &str = "OUTPUT -p tcp --dport 5000 -j REJECT --reject-with icmp-host-unreachable";

/// The machine is installed by the container engine, which is quicker, and then booted for itself.
pub(crate) fn suite(report: &mut Report) -> Result<(), Fail> {
    let world = World::new("machine", Some(&node::lab("bios", crate::boot::START)))?;
    let machine = Machine::new(&world, "bios");
    let up =
        report.check("clocks/a-machine-with-a-clock-of-its-own", 30 * MINUTE, &world, || machine.install_elsewhere());
    if up {
        checks(report, &machine);
        let running = report.check("clocks/k3s-runs", 30 * MINUTE, &world, || running(&machine));
        if running {
            report.check("clocks/a-5-minute-step-is-seen-and-explained", 10 * MINUTE, &world, || seen(&machine));
            report.check("clocks/a-5-minute-step-is-mended", 15 * MINUTE, &world, || mended(&machine));
        }
    }
    report.check("clocks/destroy", 4 * MINUTE, &world, || life::destroy(&world));
    Ok(())
}

/// What needs no k3s, on a machine that runs.
fn checks(report: &mut Report, machine: &Machine<'_>) {
    let world = machine.world;
    let mut each = |name: &str, check: fn(&Machine<'_>) -> Proof| {
        report.check(&format!("clocks/{name}"), 10 * MINUTE, world, || check(machine));
    };
    each("one-table-of-every-node-and-the-host", table);
    each("off-by-30-s-is-refused-before-join", refused);
    each("no-way-to-the-registry-is-refused-before-join", closed);
    each("a-wrong-desktop-is-told", desktop::told);
    each("a-wrong-desktop-is-not-followed", desktop::not_followed);
}

/// The program's answer about the lab, and its exit code.
fn timesync(machine: &Machine<'_>, verb: &str) -> Result<(i32, Value), Fail> {
    let world = machine.world;
    let cmd = world.cmd(world.program("timesync")).args([verb, "--output", "json", "--lab"]);
    let out = world.run(cmd.arg(world.scratch("lab.toml")))?;
    let Ok(answer) = serde_json::from_slice(&out.stdout) else {
        return Err(Fail(format!("timesync {verb} ended with {}: {}", out.code, out.error_text())));
    };
    Ok((out.code, answer))
}

fn table(machine: &Machine<'_>) -> Proof {
    let world = machine.world;
    let (code, answer) = timesync(machine, "status")?;
    ensure!(code == 0, "exit code {code}: {answer}");
    let (node, host) = (&answer["nodes"][0], &answer["host"]);
    ensure!(node["verdict"] == "right" && node["clock"] == "own", "the node: {answer}");
    for clock in [node, host] {
        let offset = clock["offset_ms"].as_i64();
        ensure!(offset.is_some_and(|ms| ms.abs() < 1000), "{answer}");
    }
    let text =
        world.ok(world.cmd(world.program("timesync")).arg("status").arg("--lab").arg(world.scratch("lab.toml")))?;
    let lines: Vec<String> = text.text().lines().map(|l| l.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    ensure!(lines.len() == 3 && lines[2].starts_with("this host"), "{lines:?}");
    Ok(lines.join(" | "))
}

/// A run that must not get as far as k3s: what it said.
fn stopped(machine: &Machine<'_>, id: &str) -> Result<String, Fail> {
    let world = machine.world;
    let out = world.run(world.airlab("provision", &["--yes", "--until", "server"]))?;
    let said: Vec<_> = out.error_text().lines().filter(|l| !l.starts_with('[')).map(str::to_owned).collect();
    let said = said.join(" | ");
    ensure!(out.code != 0 && said.contains(id), "provision ended with {}: {said}", out.code);
    let k3s = machine.root("systemctl is-active k3s; true")?;
    ensure!(k3s.trim() != "active", "k3s is {k3s}");
    Ok(said)
}

/// A clock that the node cannot put right: no k3s there, and the remedy that is told works once the cause is gone.
fn refused(machine: &Machine<'_>) -> Proof {
    machine.root(&format!("systemctl stop sync-time.timer; {REFUSES}; /bin/date -s '+30 seconds'"))?;
    let said = stopped(machine, "AL-RUN-008");
    machine.root("rm -f /usr/local/sbin/date; systemctl start sync-time.timer")?;
    let said = said?;
    let remedy = "airlab ssh master -- sudo sync-time";
    ensure!(said.contains("not allowed") && said.contains(remedy), "said: {said}");
    machine.world.on(machine.name, &["sudo", "sync-time"])?;
    Ok(format!("{said}; then: {}", machine.clock_is_right()?))
}

/// A node that cannot ask what the time is: no k3s there either.
fn closed(machine: &Machine<'_>) -> Proof {
    machine.root(&format!("iptables -I {CLOSED}"))?;
    let said = stopped(machine, "AL-RUN-021");
    machine.root(&format!("iptables -D {CLOSED}"))?;
    let said = said?;
    ensure!(said.contains("curl: (7)"), "said: {said}");
    Ok(said)
}

fn running(machine: &Machine<'_>) -> Proof {
    start_kubernetes(machine)?;
    machine.world.until("k3s to run", || {
        let state = machine.root("systemctl is-active k3s; true")?;
        ensure!(state.trim() == "active", "k3s is {state}");
        Ok(state)
    })
}

fn seen(machine: &Machine<'_>) -> Proof {
    machine.root("systemctl stop sync-time.timer; date -s '+5 minutes'")?;
    let (healthy, answer) = trouble::status(machine.world)?;
    let findings = answer["findings"].to_string();
    ensure!(!healthy && findings.contains("AL-STA-005"), "status: {answer}");
    let clock = &answer["clocks"]["nodes"][0];
    let offset = clock["offset_ms"].as_i64();
    ensure!(clock["verdict"] == "off" && offset.is_some_and(|ms| (ms - 300_000).abs() < 5_000), "status: {answer}");
    let (code, causes) = timesync(machine, "diagnose")?;
    let causes = causes.to_string();
    ensure!(code == 3 && causes.contains("AL-TIM-015") && causes.contains("AL-TIM-011"), "diagnose: {causes}");
    Ok(format!("{clock}; {}", causes.chars().take(300).collect::<String>()))
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
