//! Clocks that start wrong, and the order of clock and Kubernetes.

use std::time::Duration;

use super::node::{Machine, now_ms};
use super::{MINUTE, START};
use crate::proof::{Fail, Proof, ensure, fail};
use crate::report::Report;
use crate::trouble;

/// With Kubernetes on the node: the clock first; without the registry the floor and `degraded`; mended by the timer.
pub(crate) fn with_kubernetes(report: &mut Report, machine: &Machine<'_>) {
    let world = machine.world;
    let started = report.check("boot/kubernetes-starts-after-the-clock", 8 * MINUTE, world, || {
        start_kubernetes(machine)?;
        order(machine)
    });
    if !started {
        return;
    }
    let mut floor = 0;
    let down = report.check("boot/again-without-the-registry", 8 * MINUTE, world, || {
        trouble::stop_registry(world)?;
        let rtc = "systemctl kill -s KILL k3s; hwclock --set --utc --date '2020-01-01 00:00:00'";
        let said = machine.reboot_after(rtc)?;
        floor = without_registry(machine)?;
        Ok(said)
    });
    if down {
        report.check("boot/kubernetes-starts-on-the-floor", 5 * MINUTE, world, || {
            let order = order(machine)?;
            // while journald begins a new file, because the clock has jumped, it may not give the lines before the jump
            world.until("the floor in the journal", || {
                let journal = machine.root("journalctl -b -u sync-time -o cat --no-pager")?;
                ensure!(journal.contains("set to it") && journal.contains("degraded"), "journal: {journal}");
                Ok(())
            })?;
            Ok(format!("clock at {floor}, the build stamp; {order}"))
        });
        report.check("boot/status-says-degraded", 5 * MINUTE, world, || degraded(machine));
    }
    report.check("boot/the-timer-mends-the-clock", 7 * MINUTE, world, || {
        machine.root("systemctl disable --now k3s; systemctl kill -s KILL k3s; true")?;
        let run = world.watch(&world.airlab("provision", &["--yes", "--until", "registry"]), "registry-back")?;
        run.succeeded()?;
        let text = machine.until_right(Duration::from_secs(240))?;
        // written down a moment after the clock is set
        world.until("the record", || {
            let recorded = machine.recorded()?;
            ensure!(recorded["state"] == "ok", "recorded: {recorded}");
            Ok(())
        })?;
        let both = world.until("both clocks to be right", || machine.clock_is_right())?;
        Ok(format!("{text}; {both}"))
    });
}

/// Lets provision install Kubernetes, and stops it as soon as its unit is started: emulated, it needs minutes to come up.
pub(crate) fn start_kubernetes(machine: &Machine<'_>) -> Result<(), Fail> {
    let world = machine.world;
    let cmd = world.airlab("provision", &["--yes", "--until", "server"]);
    let mut run = world.start(&cmd, "server")?;
    let result = loop {
        if let Some(code) = run.look()? {
            return if code == 0 {
                Ok(())
            } else {
                Err(Fail(format!("provision ended with {code}: {}", world.last())))
            };
        }
        if run.lines().iter().any(|(_, l)| l.contains("waiting for k3s.service")) {
            break Ok(());
        }
        if world.left() < Duration::from_secs(5) {
            break Err(Fail(format!("k3s was not started; last: {}", world.last())));
        }
        std::thread::sleep(Duration::from_millis(100));
    };
    run.interrupt()?;
    while run.look()?.is_none() && world.left() > Duration::from_secs(1) {
        std::thread::sleep(Duration::from_millis(100));
    }
    result
}

/// k3s was started after the end of sync-time, by systemd's own times.
fn order(machine: &Machine<'_>) -> Proof {
    machine.world.until("k3s to be started", || {
        let said = machine.root(
            "systemctl show -P ExecMainExitTimestampMonotonic sync-time; \
             systemctl show -P ExecMainStartTimestampMonotonic k3s; systemctl show -P After k3s",
        )?;
        let lines: Vec<&str> = said.lines().collect();
        let [done, started, after] = lines.as_slice() else { fail!("{said}") };
        let (done, started): (u64, u64) = (done.parse()?, started.parse()?);
        ensure!(after.split(' ').any(|u| u == "sync-time.service"), "k3s is not ordered after sync-time: {after}");
        ensure!(done > 0 && started > 0, "sync-time ended at {done} us, k3s started at {started} us");
        ensure!(done < started, "sync-time ended at {done} us, after k3s started at {started} us");
        Ok(format!("sync-time ended {:.1} s before k3s was started", (started - done) as f64 / 1e6))
    })
}

/// Without the registry the clock stands on the build stamp plus the time since; the stamp.
fn without_registry(machine: &Machine<'_>) -> Result<i64, Fail> {
    let recorded = machine.world.until("the clock to be recorded", || machine.recorded())?;
    ensure!(recorded["state"] == "degraded", "recorded: {recorded}");
    let said = machine.root("cat /etc/airlab/build-stamp; date +%s; cut -d. -f1 /proc/uptime")?;
    let numbers: Vec<i64> = said.lines().filter_map(|l| l.trim().parse().ok()).collect();
    let [stamp, clock, uptime] = numbers.as_slice() else { fail!("{said}") };
    ensure!((*stamp..=stamp + uptime + 2).contains(clock), "clock {clock}, build stamp {stamp}, up {uptime} s");
    ensure!(now_ms() / 1000 - clock > 1, "the clock is right without the registry");
    Ok(*stamp)
}

fn degraded(machine: &Machine<'_>) -> Proof {
    // emulated, a starting Kubernetes leaves SSH no time
    machine.root("systemctl stop --no-block k3s; systemctl kill -s KILL k3s; true")?;
    let (healthy, answer) = trouble::status(machine.world)?;
    let findings = answer["findings"].to_string();
    ensure!(!healthy && findings.contains("not measured") && findings.contains("AL-STA-005"), "status: {answer}");
    ensure!(answer["registry"]["ok"] == false, "status: {answer}");
    Ok(findings.chars().take(300).collect())
}

/// Every other wrong start, each a whole boot, ends with the right time.
pub(crate) fn wrong_starts(report: &mut Report, machine: &Machine<'_>) {
    let now = || now_ms() / 1000;
    let starts: [(&str, i64); 5] = [
        ("2020", START),
        ("1970", 0),
        ("an-hour-behind", now() - 3600),
        ("an-hour-ahead", now() + 3600),
        ("400-days-ahead", now() + 400 * 86_400),
    ];
    for (name, rtc) in starts {
        report.check(&format!("boot/clock/{name}"), 15 * MINUTE, machine.world, || {
            machine.power_cycle(rtc)?;
            machine.clock_is_right()
        });
    }
}
