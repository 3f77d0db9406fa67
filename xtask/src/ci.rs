//! `cargo xtask ci`: what a machine runs on every change.

use crate::Ended;
use crate::lab::myself;
use crate::parts::Part;
use crate::score::Score;
use crate::{packages, say, test};

/// The parts of `test` that look at times, and are not to share the cores.
const ALONE: &[&str] = &["tests", "smoke"];
/// The parts of `test` that only read what is compiled anyway.
const LATER: &[&str] = &["examples", "manual"];

/// Suites of the end-to-end proof that compare times, or the whole machine before and after: one at a time. What each
/// should take and when it hangs, in minutes.
const QUIET: &[(&str, u64, u64)] = &[("lab", 5, 15), ("second", 2, 10), ("clone", 4, 15)];

/// The others, the long ones first, in two lanes.
const SHARED: &[(&str, u64, u64)] = &[
    ("cluster", 10, 25),
    ("kill", 6, 15),
    ("kubesphere", 4, 15),
    ("faults", 3, 12),
    ("bundle", 3, 15),
    ("desktop", 2, 10),
    ("existing", 4, 15),
    ("external", 2, 10),
    ("bridge", 2, 10),
    ("api", 2, 10),
    ("registry", 1, 10),
    ("bad-input", 1, 10),
];

/// The parts of `test` with what the lab is made of beside them, then the end-to-end proof, each suite a part of its own.
pub(crate) fn run() -> Ended {
    if let Err(why) = packages::ensure_for_checks(&say::line, true) {
        say::line(&format!("error: {why}"));
        return say::result("0 passed, 1 failed\n").map(|_| 1);
    }
    let mut score = Score::default();
    let (alone, beside) = test::parts().into_iter().partition::<Vec<_>, _>(|(part, _)| ALONE.contains(&part.name));
    let (later, lints) = beside.into_iter().partition::<Vec<_>, _>(|(part, _)| LATER.contains(&part.name));
    let made = (part("offline parts", &["parts"], 7, 20), false);
    score.run_in_two_lanes([made].into_iter().chain(lints).collect());
    for (part, quiet) in alone {
        score.run(&part, quiet);
    }
    for (suite, budget, minutes) in QUIET.iter().copied() {
        score.run(&e2e(suite, budget, minutes), false);
    }
    // The emulated machine has a core to itself. What is compiled beside it is compiled before any other suite starts,
    // which would wait for cargo.
    let windows =
        [part("windows setup", &["windows", "setup"], 2, 10), part("windows check", &["windows", "check"], 4, 15)];
    let lanes = [e2e("boot", 9, 20)].into_iter().chain(windows).map(|part| (part, false)).chain(later);
    let shared = SHARED.iter().map(|(suite, budget, minutes)| (e2e(suite, *budget, *minutes), false));
    score.run_in_two_lanes(lanes.chain(shared).collect());
    Ok(score.close())
}

fn e2e(suite: &'static str, budget: u64, minutes: u64) -> Part {
    part(suite, &["e2e", suite], budget, minutes)
}

fn part(name: &'static str, words: &[&str], budget: u64, minutes: u64) -> Part {
    Part { name, cmd: myself().args(words.iter().copied()), budget, minutes }
}
