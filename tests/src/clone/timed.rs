//! From power-on to the end of the first boot, cloned and installed, in turn.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::time::Duration;

use serde_json::Value;

use super::{LAB, MINUTE, NODES, same};
use crate::life;
use crate::proof::{Fail, ensure};
use crate::report::{Report, say};
use crate::world::World;

/// Against install, a clone's way is to be so long.
const GOAL: f64 = 0.6;

/// What the nodes run on while they are timed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum On {
    /// System containers. The installer of the demo unpacks a small root in two or three seconds there, with no kernel
    /// to boot before it, where a real one takes minutes: a clone has little to save, and the ratio is told, not judged.
    Containers,
    /// Emulated machines, where an installation boots a kernel as any does.
    Machines,
}

impl On {
    /// Each way is gone this often, in turn: the computer is shared and its speed changes.
    fn rounds(self) -> usize {
        if self == Self::Containers { 2 } else { 1 }
    }

    fn limit(self) -> f64 {
        if self == Self::Containers { 1.0 } else { GOAL }
    }
}

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
pub(super) fn check(report: &mut Report, on: On) -> Result<Duration, Fail> {
    let world = World::new("triplet", Some(LAB))?;
    let mut golden = Duration::from_secs(4);
    let name = if on == On::Containers { "clone/against-install" } else { "clone/machines/against-install" };
    report.check(name, 40 * MINUTE, &world, || {
        let rounds = on.rounds();
        let mut said = String::new();
        let (mut cloned, mut installed) = (Times::default(), Times::default());
        for round in 1..=rounds {
            for (way, sum) in [("install", &mut installed), ("clone", &mut cloned)] {
                let (times, text) = one(way, on, world.left())?;
                said += &text;
                say(&format!("     round {round} {way}: {times:.1?}"));
                sum.add(times);
            }
        }
        golden = Duration::from_secs_f64(cloned.golden / rounds as f64);
        let ratios = [
            ("slowest node, by the run", cloned.told.0 / installed.told.0),
            ("sum of nodes, by the run", cloned.told.1 / installed.told.1),
            ("slowest node, from outside", cloned.seen.0 / installed.seen.0),
            ("sum of nodes, from outside", cloned.seen.1 / installed.seen.1),
        ];
        let words: Vec<String> = ratios.iter().map(|(name, ratio)| format!("{name} {ratio:.2}")).collect();
        let long = ratios.iter().find(|(_, ratio)| *ratio > on.limit() || !ratio.is_finite());
        ensure!(long.is_none(), "more than {} of an installation: {}", on.limit(), words.join(", "));
        let goal = if ratios.iter().all(|(_, ratio)| *ratio <= GOAL) { "met" } else { "missed" };
        Ok(format!(
            "{rounds} round(s), clone / install: {} (goal {GOAL}: {goal}); the slowest node {:.1} s / {:.1} s; with the golden machine's own \
             installation of {:.1} s, once a lab: {:.2}{said}",
            words.join(", "),
            cloned.told.0 / rounds as f64,
            installed.told.0 / rounds as f64,
            golden.as_secs_f64(),
            cloned.whole / installed.whole
        ))
    });
    Ok(golden)
}

/// One lab until its nodes have booted, and down again.
fn one(way: &str, on: On, left: Duration) -> Result<(Times, String), Fail> {
    let lab = LAB.replace("create = \"clone\"", &format!("create = \"{way}\""));
    let world = World::new("triplet", Some(&lab))?;
    world.set_deadline(std::time::Instant::now() + left);
    if on == On::Machines {
        world.set_engine("tcg");
    }
    let run = world.airlab("provision", &["--yes", "--output", "json", "--until", "install"]);
    let seen = world.watch(&run, way).and_then(|run| run.succeeded()).and_then(|()| {
        let times = times(&world)?;
        // On containers the suite looks at this in a lab that is Ready.
        let look = on == On::Machines && way == "clone";
        let different = if look { format!("; {}", same::different(&world, &NODES)?) } else { String::new() };
        Ok((times, different))
    });
    life::destroy(&world)?;
    seen
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
