//! `cargo xtask ci`: what a machine runs on every change.

use crate::Ended;
use crate::lab::myself;
use crate::parts::{Part, Score};
use crate::{packages, say, test};

/// The suites of the end-to-end proof: what each should take and when it hangs, in minutes.
const PROOF: &[(&str, u64, u64)] = &[
    ("bad-input", 1, 5),
    ("api", 3, 10),
    ("lab", 5, 15),
    ("second", 2, 10),
    ("bridge", 2, 10),
    ("faults", 4, 12),
    ("clone", 4, 15),
    ("desktop", 2, 10),
    ("bundle", 2, 8),
    ("cluster", 5, 25),
    ("registry", 1, 8),
    ("kill", 4, 12),
    ("kubesphere", 4, 15),
    ("boot", 5, 15),
];

/// The parts of `test`, the Windows check, then the end-to-end proof, each suite a part of its own.
pub(crate) fn run() -> Ended {
    if let Err(why) = packages::ensure_for_checks(&say::line, true) {
        say::line(&format!("error: {why}"));
        return say::result("0 passed, 1 failed\n").map(|_| 1);
    }
    let mut score = Score::default();
    for (part, quiet) in test::parts() {
        score.run(&part, quiet);
    }
    let windows = |name, verb, budget| Part { name, cmd: myself().args(["windows", verb]), budget, minutes: 15 };
    score.run(&windows("windows setup", "setup", 2), false);
    score.run(&windows("windows check", "check", 4), false);
    for (name, budget, minutes) in PROOF.iter().copied() {
        score.run(&Part { name, cmd: myself().args(["e2e", name]), budget, minutes }, false);
    }
    Ok(score.close())
}
