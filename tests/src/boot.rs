//! One full machine, emulated: the boot chain from the patched ISO to a booted disk, clocks that start wrong, and with
//! `--full` the same disk under both engines, snapshots, suspension, clones and power cuts.

mod chain;
pub(crate) mod clock;
mod console;
pub(crate) mod node;
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
pub(crate) const START: i64 = 1_577_836_800;

const MINUTE: Duration = Duration::from_secs(60);

type Checks = fn(&mut Report, &Machine<'_>);

/// How much is looked at.
pub(crate) enum Extent {
    /// What has to hold on every change.
    Ci,
    /// Everything.
    Full,
    /// What the full proof does with EFI, alone.
    Efi,
    /// Only these parts, `kubernetes`, `clocks`, `snapshots`, `power`, on a disk that the container engine installed:
    /// for whoever works on one of them.
    Installed(Vec<String>),
}

impl Extent {
    fn has(&self, part: &str) -> bool {
        match self {
            Self::Ci => part == "kubernetes",
            Self::Full => true,
            Self::Efi => false,
            Self::Installed(parts) => parts.iter().any(|p| p == part),
        }
    }
}

/// One machine with BIOS, or everything.
pub(crate) fn suite(report: &mut Report, extent: &Extent) -> Result<(), Fail> {
    if !matches!(extent, Extent::Efi) {
        one_machine(report, "bios", extent)?;
    }
    if matches!(extent, Extent::Full | Extent::Efi) {
        one_machine(report, "efi", extent)?;
    }
    Ok(())
}

fn one_machine(report: &mut Report, firmware: &'static str, extent: &Extent) -> Result<(), Fail> {
    let world = World::new("machine", Some(&node::lab(firmware, START)))?;
    let machine = Machine::new(&world, firmware);
    say(&format!("     {firmware}: the machine's clock starts at 2020-01-01"));
    let name = |check: &str| format!("boot/{firmware}/{check}");
    let up = if let Extent::Installed(_) = extent {
        report.check(&name("installed-by-the-other-engine"), 30 * MINUTE, &world, || machine.install_elsewhere())
    } else {
        world.set_engine(ENGINE);
        let up = report.check(&name("installed-from-the-iso"), 12 * MINUTE, &world, || machine.install());
        if up {
            chain::checks(report, &machine);
            report.check(&name("clock-of-2020"), 4 * MINUTE, &world, || machine.clock_is_right());
        }
        up
    };
    if up && firmware == "efi" {
        report.check(&name("boots-again"), 15 * MINUTE, &world, || machine.reboot());
    } else if up {
        let parts: [(&str, Checks); 4] = [
            ("kubernetes", clock::with_kubernetes),
            ("clocks", clock::wrong_starts),
            ("snapshots", snapshots::checks),
            ("power", power::checks),
        ];
        for (_, checks) in parts.iter().filter(|(part, _)| extent.has(part)) {
            checks(report, &machine);
        }
    }
    report.check(&name("destroy"), 4 * MINUTE, &world, || life::destroy(&world));
    Ok(())
}
