//! `cargo xtask ci`: what a machine runs on every change.

use crate::Ended;
use crate::lab::myself;
use crate::parts::{Part, Score};
use crate::test;

/// The parts of `test`, the Windows check, then the longer proofs.
pub(crate) fn run() -> Ended {
    let mut score = Score::default();
    for (part, quiet) in test::parts() {
        score.run(&part, quiet);
    }
    let windows = |name, verb, minutes| Part { name, cmd: myself().args(["windows", verb]), minutes };
    score.run(&windows("windows setup", "setup", 15), false);
    score.run(&windows("windows check", "check", 15), false);
    score.run(&Part { name: "proof", cmd: myself().args(["e2e", "all"]), minutes: 30 }, false);
    Ok(score.close())
}
