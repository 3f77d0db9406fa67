//! A desktop whose own clock is wrong: airlab and its registry run there under a clock that is an hour behind.

use machine::Cmd;

use super::{stopped, timesync};
use crate::boot::node::Machine;
use crate::proof::{Fail, Proof, ensure};
use crate::trouble;
use crate::world::World;

/// The product on a desktop that is an hour behind. The library is loaded as the program does it; the program itself would
/// wait for the registry, which stays.
fn behind(world: &World, verb: &str, args: &[&str]) -> Result<Cmd, Fail> {
    let library = world.ok(world.bare("faketime").args(["-f", "-1h", "printenv", "LD_PRELOAD"]))?.text();
    let cmd = world.airlab(verb, args).env("LD_PRELOAD", library.trim()).env("FAKETIME", "-1h");
    Ok(cmd.env("FAKETIME_DONT_FAKE_MONOTONIC", "1"))
}

/// It is told before k3s may start, and by `status`.
pub(super) fn told(machine: &Machine<'_>) -> Proof {
    let world = machine.world;
    let out = world.run(behind(world, "provision", &["--yes", "--until", "clocks"])?)?;
    let said: Vec<_> = out.error_text().lines().filter(|l| !l.starts_with('[')).map(str::to_owned).collect();
    let said = said.join(" | ");
    ensure!(out.code == 20 && said.contains("AL-RUN-020"), "provision ended with {}: {said}", out.code);
    let out = world.run(behind(world, "status", &["--quick"])?)?;
    let text = out.text();
    let lines = text.lines().filter(|l| l.contains("this host")).collect::<Vec<_>>().join(" | ");
    ensure!(
        out.code == 70 && lines.contains("WRONG") && (lines.contains("-3600.") || lines.contains("-3599.")),
        "status: {text}"
    );
    machine.clock_is_right()?;
    Ok(format!("{said}; status: {lines}"))
}

/// Its registry tells the wrong time, and the node stays with the right one; right again, all is well.
pub(super) fn not_followed(machine: &Machine<'_>) -> Proof {
    let world = machine.world;
    trouble::stop_registry(world)?;
    let wrong = world.ok(behind(world, "provision", &["--yes", "--until", "registry"])?);
    let wrong = wrong.and_then(|_| wrong_registry(machine));
    trouble::stop_registry(world)?;
    world.ok(world.airlab("provision", &["--yes", "--until", "registry"]))?;
    let wrong = wrong?;
    machine.root("systemctl start sync-time-again.service")?;
    let recorded = machine.recorded()?;
    ensure!(recorded["state"] == "ok", "recorded: {recorded}");
    Ok(format!("{wrong}; registry right again: {}", machine.clock_is_right()?))
}

fn wrong_registry(machine: &Machine<'_>) -> Result<String, Fail> {
    machine.root("systemctl start sync-time-again.service; true")?;
    let recorded = machine.recorded()?;
    ensure!(recorded["state"] == "moved", "recorded: {recorded}");
    let told = recorded["offset_ms"].as_i64().unwrap_or(0);
    ensure!((told - 3_600_000).abs() < 5_000, "recorded: {recorded}");
    let right = machine.clock_is_right()?;
    let (code, causes) = timesync(machine, "diagnose")?;
    let causes = causes.to_string();
    ensure!(code == 3 && causes.contains("AL-TIM-013"), "diagnose: {causes}");
    let said = stopped(machine, "AL-RUN-020")?;
    ensure!(said.contains("master ran on steadily"), "provision: {said}");
    Ok(format!("{recorded}, and its clock: {right}; provision: {said}"))
}
