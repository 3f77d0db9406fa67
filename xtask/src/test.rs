//! `cargo xtask test`: everything that is checked before a change lands.

use machine::{Cmd, Local};

use crate::Ended;
use crate::lab::myself;
use crate::parts::Part;
use crate::provision::cargo;
use crate::score::Score;
use crate::{packages, say};

/// Runs every part; with names, only those. What the checks look with is installed first, with `--yes`.
pub(crate) fn run(words: &[String]) -> Ended {
    let (flags, names): (Vec<&String>, Vec<&String>) = words.iter().partition(|word| word.starts_with("--"));
    let known: Vec<&str> = parts().iter().map(|part| part.name).collect();
    if let Some(odd) =
        flags.iter().find(|f| *f != &"--yes").or_else(|| names.iter().find(|n| !known.contains(&n.as_str())))
    {
        return Err(format!("no {odd} here\nwhat to do:\n  cargo xtask test [--yes] [{}]", known.join("|")));
    }
    if names.is_empty() {
        packages::ensure_for_checks(&say::line, !flags.is_empty())?;
    }
    let mut score = Score::default();
    for part in parts() {
        if names.is_empty() || names.iter().any(|n| *n == part.name) {
            score.run(&part);
        }
    }
    Ok(score.close())
}

/// The parts in order of cost.
pub(crate) fn parts() -> Vec<Part> {
    let nextest = Local.run(&Cmd::new("cargo-nextest").args(["nextest", "--version"])).is_ok_and(|out| out.code == 0);
    let tests: &[&str] = if nextest {
        &["nextest", "run", "--workspace", "--locked", "--status-level", "slow", "--final-status-level", "fail"]
    } else {
        &["test", "--workspace", "--locked", "--lib", "--bins", "--tests", "--quiet"]
    };
    let clippy = ["clippy", "--workspace", "--all-targets", "--locked", "--quiet", "--", "-D", "warnings"];
    let part = |name, cmd, budget, minutes, quiet| Part { name, cmd, budget, minutes, quiet };
    let docs = cargo().args(["doc", "--workspace", "--no-deps", "--locked", "--quiet"]);
    vec![
        part("format", cargo().args(["fmt", "--all", "--check"]), 1, 2, true),
        part("tidy", myself().arg("tidy"), 1, 5, false),
        part("lints", cargo().args(clippy), 4, 25, true),
        part("tests", cargo().args(tests.iter().copied()), 6, 30, false),
        part("examples", cargo().args(["test", "--workspace", "--locked", "--doc", "--quiet"]), 2, 15, true),
        part("manual", docs.env("RUSTDOCFLAGS", "-D warnings"), 2, 10, true),
        part("smoke", myself().args(["e2e", "smoke"]), 9, 25, false),
    ]
}
