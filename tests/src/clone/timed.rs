//! From power-on to the end of the first boot, cloned and installed, in turn.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::time::Duration;

use serde_json::Value;

use super::{LAB, MINUTE};
use crate::life;
use crate::proof::{Fail, ensure};
use crate::report::{Report, say};
use crate::world::World;

/// Each way is gone this often, in turn: the machine is shared and its speed changes.
const ROUNDS: usize = 2;
/// Against install, a clone's way is to be so long. The demo's installer unpacks a small root in two or three seconds
/// where a real one takes minutes, so that a container's clone has little to save: the figure is told, not judged.
const GOAL: f64 = 0.6;

/// Seconds of one run.
#[derive(Debug, Default, Clone, Copy)]
struct Times {
    /// The slowest node and all nodes together, as the run's own steps `install/NODE` have it.
    told: (f64, f64),
    /// The same, from the lock that a machine takes at power-on to the node's own mark of a finished first boot.
    seen: (f64, f64),
    /// Steps `golden`, `machines` and `install`: from the first power-on of any machine.
    whole: f64,
    golden: f64,
}

impl Times {
    fn add(&mut self, other: Self) {
        let pair = |a: (f64, f64), b: (f64, f64)| (a.0 + b.0, a.1 + b.1);
        (self.told, self.seen) = (pair(self.told, other.told), pair(self.seen, other.seen));
        (self.whole, self.golden) = (self.whole + other.whole, self.golden + other.golden);
    }
}

/// How long the golden machine's own installation takes.
pub(super) fn check(report: &mut Report) -> Result<Duration, Fail> {
    let world = World::new("triplet", Some(LAB))?;
    let mut golden = Duration::from_secs(4);
    report.check("clone/against-install", 25 * MINUTE, &world, || {
        let (mut cloned, mut installed) = (Times::default(), Times::default());
        for round in 1..=ROUNDS {
            for (way, sum) in [("install", &mut installed), ("clone", &mut cloned)] {
                let times = one(way, world.left())?;
                say(&format!("     round {round} {way}: {times:.1?}"));
                sum.add(times);
            }
        }
        golden = Duration::from_secs_f64(cloned.golden / ROUNDS as f64);
        let ratios = [
            ("slowest node, by the run", cloned.told.0 / installed.told.0),
            ("sum of nodes, by the run", cloned.told.1 / installed.told.1),
            ("slowest node, from outside", cloned.seen.0 / installed.seen.0),
            ("sum of nodes, from outside", cloned.seen.1 / installed.seen.1),
        ];
        let words: Vec<String> = ratios.iter().map(|(name, ratio)| format!("{name} {ratio:.2}")).collect();
        let long = ratios.iter().find(|(_, ratio)| *ratio >= 1.0 || !ratio.is_finite());
        ensure!(long.is_none(), "a clone is no faster than an installation: {}", words.join(", "));
        let goal = if ratios.iter().all(|(_, ratio)| *ratio <= GOAL) { "met" } else { "missed" };
        Ok(format!(
            "{ROUNDS} rounds, clone / install: {} (goal {GOAL}: {goal}); the slowest node {:.1} s / {:.1} s; with the golden machine's own \
             installation of {:.1} s, once a lab: {:.2}",
            words.join(", "),
            cloned.told.0 / ROUNDS as f64,
            installed.told.0 / ROUNDS as f64,
            golden.as_secs_f64(),
            cloned.whole / installed.whole
        ))
    });
    Ok(golden)
}

/// One lab until its nodes have booted, and down again.
fn one(way: &str, left: Duration) -> Result<Times, Fail> {
    let lab = LAB.replace("create = \"clone\"", &format!("create = \"{way}\""));
    let world = World::new("triplet", Some(&lab))?;
    world.set_deadline(std::time::Instant::now() + left);
    let run = world.airlab("provision", &["--yes", "--output", "json", "--until", "install"]);
    let times = world.watch(&run, way).and_then(|run| run.succeeded()).and_then(|()| times(&world));
    life::destroy(&world)?;
    times
}

fn times(world: &World) -> Result<Times, Fail> {
    let steps = steps(&std::fs::read_to_string(world.lab_dir().join("journal.jsonl"))?);
    let of = |name: &str| steps.get(name).copied().unwrap_or(0.0);
    let nodes: Vec<&str> = steps.keys().filter_map(|s| s.strip_prefix("install/")).collect();
    ensure!(nodes.len() == 3, "the journal has {nodes:?}");
    let mut times =
        Times { golden: of("golden"), whole: of("golden") + of("machines") + of("install"), ..Times::default() };
    for node in nodes {
        let lock = world.lab_dir().join(format!("nodes/{node}/{node}.vmx.lck/M00001.lck"));
        let on = std::fs::metadata(&lock)?;
        let on = on.mtime() as f64 + on.mtime_nsec() as f64 / 1e9;
        let done: f64 = world.on(node, &["stat", "-c", "%.9Y", "/var/lib/airlab/ready"])?.text().trim().parse()?;
        let (told, seen) = (of(&format!("install/{node}")), done - on);
        ensure!(seen.is_sign_positive(), "{node} was done {seen} s after its power-on");
        times.told = (times.told.0.max(told), times.told.1 + told);
        times.seen = (times.seen.0.max(seen), times.seen.1 + seen);
    }
    Ok(times)
}

/// The finished steps of a journal, in seconds.
fn steps(journal: &str) -> BTreeMap<String, f64> {
    let events = journal.lines().filter_map(|l| serde_json::from_str::<Value>(l).ok());
    let ends = events.filter(|e| e["event"] == "finished");
    let seconds = |e: &Value| Some(e["took"]["secs"].as_f64()? + e["took"]["nanos"].as_f64()? / 1e9);
    ends.filter_map(|e| Some((e["step"].as_str()?.to_owned(), seconds(&e)?))).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_journal_tells_how_long_steps_took() {
        let text = r#"{"at":1.0,"event":"started","step":"keys"}
{"at":2.0,"event":"finished","step":"install/beta","outcome":{"changed":"x"},"took":{"secs":2,"nanos":500000000}}
"#;
        let steps = super::steps(text);
        assert_eq!(steps.into_iter().collect::<Vec<_>>(), [("install/beta".to_owned(), 2.5)]);
    }
}
