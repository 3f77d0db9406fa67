//! `cargo xtask ci`: what a machine runs on every change.

use std::time::SystemTime;

use machine::{Cmd, Local};

use crate::Ended;
use crate::lab::myself;
use crate::parts::Part;
use crate::score::Score;
use crate::{packages, say, test};

/// The parts of `test` that look at times, and are not to share the cores.
const ALONE: &[&str] = &["tests", "smoke"];
/// The parts of `test` that only read what is compiled anyway.
const LATER: &[&str] = &["examples", "manual"];

/// A suite of the end-to-end proof.
struct Suite {
    name: &'static str,
    /// Minutes it should take, and after which it hangs.
    budget: u64,
    minutes: u64,
    turn: Turn,
}

/// When a suite runs: on every change, or on every other one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    Always,
    Even,
    Odd,
}

const fn suite(name: &'static str, budget: u64, minutes: u64, turn: Turn) -> Suite {
    Suite { name, budget, minutes, turn }
}

/// What compares times, or the whole machine before and after: one at a time.
const QUIET: &[Suite] =
    &[suite("lab", 5, 15, Turn::Always), suite("second", 2, 10, Turn::Even), suite("clone", 4, 15, Turn::Odd)];

/// The others, the long ones first, in two lanes.
const SHARED: &[Suite] = &[
    suite("cluster", 11, 25, Turn::Always),
    suite("kill", 6, 15, Turn::Always),
    suite("kubesphere", 5, 15, Turn::Always),
    suite("existing", 5, 15, Turn::Even),
    suite("faults", 3, 12, Turn::Even),
    suite("desktop", 2, 10, Turn::Even),
    suite("bundle", 3, 15, Turn::Odd),
    suite("external", 2, 10, Turn::Odd),
    suite("bridge", 2, 10, Turn::Odd),
    suite("api", 2, 10, Turn::Always),
    suite("registry", 1, 10, Turn::Always),
    suite("bad-input", 1, 10, Turn::Always),
];

/// The parts of `test` with what the lab is made of beside them, then the end-to-end proof, each suite a part of its own.
/// Without `--all` some suites take turns, so that a change does not wait for longer than three quarters of an hour.
pub(crate) fn run(words: &[String]) -> Ended {
    let all = match words {
        [] => false,
        [word] if word == "--all" => true,
        _ => return Err("no such word here\nwhat to do:\n  cargo xtask ci [--all]".into()),
    };
    if let Err(why) = packages::ensure_for_checks(&say::line, true) {
        say::line(&format!("error: {why}"));
        return say::result("0 passed, 1 failed\n").map(|_| 1);
    }
    let mut score = Score::default();
    let (alone, beside) = test::parts().into_iter().partition::<Vec<_>, _>(|part| ALONE.contains(&part.name));
    let (later, lints) = beside.into_iter().partition::<Vec<_>, _>(|part| LATER.contains(&part.name));
    let made = part("offline parts", &["parts"], 7, 20);
    score.run_in_two_lanes([made].into_iter().chain(lints).collect());
    for part in alone {
        score.run(&part);
    }
    let turn = if all { None } else { turn() };
    let (quiet, shared) = (chosen(QUIET, turn), chosen(SHARED, turn));
    let left = QUIET.iter().chain(SHARED).filter(|suite| !due(suite.turn, turn)).map(|suite| suite.name);
    let left: Vec<&str> = left.collect();
    if !left.is_empty() {
        say::line(&format!("left for the next change, or for ci --all: {}", left.join(", ")));
    }
    for suite in quiet {
        score.run(&suite);
    }
    // The emulated machine has a core to itself. What is compiled beside it is compiled before any other suite starts,
    // which would wait for cargo.
    let windows =
        [part("windows setup", &["windows", "setup"], 2, 10), part("windows check", &["windows", "check"], 4, 15)];
    let boot = part("boot", &["e2e", "boot"], 9, 20);
    let lanes = [boot].into_iter().chain(windows).chain(later);
    score.run_in_two_lanes(lanes.chain(shared).collect());
    Ok(score.close())
}

fn chosen(suites: &[Suite], turn: Option<Turn>) -> Vec<Part> {
    let due = suites.iter().filter(|suite| due(suite.turn, turn));
    due.map(|suite| part(suite.name, &["e2e", suite.name], suite.budget, suite.minutes)).collect()
}

/// Whether a suite with this turn runs now; everything does where nobody knows whose turn it is.
fn due(of: Turn, now: Option<Turn>) -> bool {
    of == Turn::Always || now.is_none_or(|now| now == of)
}

/// Whose turn it is: changes with every commit, and with every day.
fn turn() -> Option<Turn> {
    let days = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).ok()?.as_secs() / 86_400;
    let count = Local.run_ok(&Cmd::new("git").args(["rev-list", "--count", "HEAD"])).ok()?;
    let commits: u64 = count.text().trim().parse().ok()?;
    Some(if (days + commits).is_multiple_of(2) { Turn::Even } else { Turn::Odd })
}

fn part(name: &'static str, words: &[&str], budget: u64, minutes: u64) -> Part {
    Part { name, cmd: myself().args(words.iter().copied()), budget, minutes, quiet: false }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_suite_runs_in_one_of_two_turns_and_in_a_run_of_all() {
        let names = |turn| -> Vec<&str> {
            [QUIET, SHARED].iter().flat_map(|suites| chosen(suites, turn)).map(|part| part.name).collect()
        };
        let (even, odd) = (names(Some(Turn::Even)), names(Some(Turn::Odd)));
        for suite in QUIET.iter().chain(SHARED) {
            let both = even.contains(&suite.name) && odd.contains(&suite.name);
            assert_eq!(both, suite.turn == Turn::Always, "{}", suite.name);
            assert!(even.contains(&suite.name) || odd.contains(&suite.name), "{}", suite.name);
        }
        assert_eq!(names(None).len(), QUIET.len() + SHARED.len());
    }
}
