//! `cargo xtask ci`: what a machine runs on every change.

use crate::Ended;
use crate::lab::myself;
use crate::parts::{Part, Score};
use crate::{packages, say, test};

/// The parts of `test` that only compile and read.
const LINTS: &[&str] = &["format", "tidy", "lints"];

/// The suites of the end-to-end proof on containers: what each should take and when it hangs, in minutes.
const PROOF: &[(&str, u64, u64)] = &[
    ("api", 3, 10),
    ("lab", 5, 15),
    ("second", 2, 10),
    ("bridge", 2, 10),
    ("faults", 4, 12),
    ("clone", 4, 15),
    ("desktop", 2, 10),
    ("existing", 3, 12),
    ("cluster", 8, 25),
    ("kill", 4, 12),
    ("kubesphere", 5, 15),
];

/// What runs beside the emulated machine.
const BESIDE: &[(&str, &[&str], u64)] = &[
    ("windows setup", &["windows", "setup"], 2),
    ("windows check", &["windows", "check"], 4),
    ("bad-input", &["e2e", "bad-input"], 1),
    ("bundle", &["e2e", "bundle"], 3),
    ("registry", &["e2e", "registry"], 1),
];

/// The parts of `test` with what the lab is made of beside them, the end-to-end proof, each suite a part of its own, and
/// the emulated machine with what looks at no times beside it.
pub(crate) fn run() -> Ended {
    if let Err(why) = packages::ensure_for_checks(&say::line, true) {
        say::line(&format!("error: {why}"));
        return say::result("0 passed, 1 failed\n").map(|_| 1);
    }
    let mut score = Score::default();
    // Tests that look at times are not to share the cores.
    let (lints, tests) = test::parts().into_iter().partition::<Vec<_>, _>(|(part, _)| LINTS.contains(&part.name));
    score.run_beside(&part("offline parts", &["parts"], 7, 20), &lints);
    for (part, quiet) in tests {
        score.run(&part, quiet);
    }
    for (name, budget, minutes) in PROOF.iter().copied() {
        score.run(&part(name, &["e2e", name], budget, minutes), false);
    }
    // An emulated machine has one core to itself; these look at no times.
    let beside = BESIDE.iter().map(|(name, words, budget)| (part(name, words, *budget, 15), false));
    score.run_beside(&part("boot", &["e2e", "boot"], 8, 20), &beside.collect::<Vec<_>>());
    Ok(score.close())
}

fn part(name: &'static str, words: &[&str], budget: u64, minutes: u64) -> Part {
    Part { name, cmd: myself().args(words.iter().copied()), budget, minutes }
}
