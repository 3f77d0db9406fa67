//! One full machine, emulated: the boot chain from the patched ISO to a booted disk, clocks that start wrong, and with
//! `--full` the same disk under both engines, snapshots, suspension, clones and power cuts.

mod chain;
mod clock;
mod console;
mod node;
mod power;
mod snapshots;

use std::time::Duration;

use crate::life;
use crate::proof::Fail;
use crate::report::{Report, say};
use crate::world::World;
use node::Machine;

/// The engine that needs nothing of the host's processor.
const ENGINE: &str = "tcg";
/// 2020-01-01, where the clock of a machine with an empty battery may start.
const START: i64 = 1_577_836_800;

const MINUTE: Duration = Duration::from_secs(60);

/// CI runs what has to hold on every change; with `full` everything.
pub(crate) fn suite(report: &mut Report, full: bool) -> Result<(), Fail> {
    let firmwares: &[&str] = if full { &["bios", "efi"] } else { &["bios"] };
    for firmware in firmwares {
        one_machine(report, firmware, full)?;
    }
    Ok(())
}

fn one_machine(report: &mut Report, firmware: &'static str, full: bool) -> Result<(), Fail> {
    let world = World::new("machine", Some(&node::lab(firmware, START)))?;
    world.set_engine(ENGINE);
    let machine = Machine::new(&world, firmware);
    say(&format!("     {firmware}: the machine's clock starts at 2020-01-01"));
    let name = |check: &str| format!("boot/{firmware}/{check}");
    let up = report.check(&name("installed-from-the-iso"), 30 * MINUTE, &world, || machine.install());
    if up {
        chain::checks(report, &machine);
        report.check(&name("clock-of-2020"), 4 * MINUTE, &world, || machine.clock_is_right());
        if firmware == "bios" {
            clock::with_kubernetes(report, &machine);
        } else {
            report.check(&name("boots-again"), 15 * MINUTE, &world, || machine.reboot());
        }
        if full && firmware == "bios" {
            clock::wrong_starts(report, &machine);
            snapshots::checks(report, &machine);
            power::checks(report, &machine);
        }
    }
    report.check(&name("destroy"), 4 * MINUTE, &world, || life::destroy(&world));
    Ok(())
}
