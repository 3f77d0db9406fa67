//! The golden machine's installation is broken off: the run is killed, the machine loses its power, and a plain run mends it.

use std::time::{Duration, SystemTime};

use super::{golden, starts};
use crate::kill::moment::{Dice, Moment, strike};
use crate::product::Ready;
use crate::proof::{Fail, ensure};
use crate::world::World;

/// Kills a run, kills another and cuts the machine's power, and lets a third go on to Ready.
pub(super) fn check(world: &World, takes: Duration) -> Result<(String, Ready), Fail> {
    let seed = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_secs() / 86_400;
    let mut dice = Dice::new(seed, "clone", 0);
    let mut said = vec![format!("seed {seed}")];

    let after = dice.part_of(takes) / 2;
    let inside = killed(world, after)?;
    let name = golden(world)?;
    said.push(format!("killed {after:.1?} into the step{}", if inside { "" } else { " (over before)" }));
    let first = starts(world, &name);

    // The machine goes on by itself; the next run waits for the same one, and is killed too.
    let after = dice.part_of(takes) / 4;
    let inside = killed(world, after)?;
    let vmx = world.lab_dir().join("nodes").join(&name).join(format!("{name}.vmx")).display().to_string();
    let finished = world.airlab("vmrun", &["-T", "ws", "listSnapshots", &vmx]);
    let finished = world.run(finished)?.text().contains("airlab-golden");
    let cut = world.run(world.airlab("vmrun", &["-T", "ws", "stop", &vmx, "hard"]))?.code == 0;
    // Read behind the power cut: a start of the killed run's may still have been under way, and is logged when it ends.
    let again = starts(world, &name);
    ensure!(again <= first.max(1), "the golden machine was started {again} times though it ran on");
    said.push(format!(
        "killed again {after:.1?} into it{}, {}",
        if inside { "" } else { " (over before)" },
        if cut { "machine cut off" } else { "machine off already" }
    ));

    let run = world.provision("after-the-cut")?;
    run.succeeded()?;
    let ready: Ready = run.json()?;
    ensure!(ready.nodes.len() == 3 && ready.nodes.iter().all(|n| n.ready), "not Ready: {:?}", ready.nodes);
    ensure!(golden(world)? == name, "another golden machine than {name}");
    let total = starts(world, &name);
    let anew = total - again;
    ensure!(anew <= 1 && (!finished || anew == 0), "{anew} more starts, finished before: {finished}");
    said.push(format!("{name} was started {total} times in all; {} nodes Ready", ready.nodes.len()));
    Ok((said.join("; "), ready))
}

/// Starts a run and kills all its processes so long after the golden step began; says whether the step was under way.
fn killed(world: &World, after: Duration) -> Result<bool, Fail> {
    let mut run = world.start(&world.airlab("provision", &["--yes", "--output", "json"]), "killed")?;
    let struck = strike(&mut run, &Moment { step: "golden", after })?.is_some();
    run.end()?;
    Ok(struck)
}
