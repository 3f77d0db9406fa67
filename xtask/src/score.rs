//! Parts run one after the other or in two lanes, and what came of them.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use crate::parts::{Part, SKIPPED, log_of, watch};
use crate::say;

/// Lines of a failed part's output that are shown again at the very end.
const AGAIN: usize = 12;

/// How parts ended.
#[derive(Debug)]
pub(crate) struct Score {
    start: Instant,
    passed: usize,
    /// Name of every part that failed, and how.
    failed: Vec<(&'static str, String)>,
    skipped: usize,
    /// Name, seconds and budget in minutes of every part so far.
    times: Vec<(&'static str, u64, u64)>,
}

impl Default for Score {
    fn default() -> Self {
        Self { start: Instant::now(), passed: 0, failed: Vec::new(), skipped: 0, times: Vec::new() }
    }
}

impl Score {
    /// Runs the part and counts it.
    pub(crate) fn run(&mut self, part: &Part) {
        self.count(&ended(part));
    }

    /// Runs the parts in two lanes: each takes the next one when it is done with its last.
    pub(crate) fn run_in_two_lanes(&mut self, parts: Vec<Part>) {
        let waiting = Mutex::new(VecDeque::from(parts));
        let counted = Mutex::new(self);
        let lane = || {
            loop {
                let next = waiting.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
                let Some(part) = next else { break };
                let end = ended(&part);
                counted.lock().unwrap_or_else(PoisonError::into_inner).count(&end);
            }
        };
        std::thread::scope(|scope| {
            scope.spawn(lane);
            lane();
        });
    }

    fn count(&mut self, end: &End) {
        let End { name, outcome, seconds, budget } = end;
        let verdict = match outcome {
            Ok(0) => {
                self.passed += 1;
                "passed".to_owned()
            }
            Ok(code) if *code == SKIPPED => {
                self.skipped += 1;
                "skipped".to_owned()
            }
            Ok(code) => self.failure(name, format!("exit code {code}")),
            Err(why) => self.failure(name, why.clone()),
        };
        self.times.push((name, *seconds, *budget));
        say::line(&format!("{name}: {verdict} after {seconds} s{}", over(*seconds, *budget)));
    }

    fn failure(&mut self, name: &'static str, why: String) -> String {
        let verdict = format!("FAILED: {why}");
        self.failed.push((name, why));
        verdict
    }

    /// Whether every part so far passed or was skipped.
    pub(crate) fn good(&self) -> bool {
        self.failed.is_empty()
    }

    /// The closing lines, with what failed parts said of it; exit code 1 when a part failed.
    pub(crate) fn close(&self) -> u8 {
        let whole = self.start.elapsed().as_secs();
        for (name, seconds, budget) in &self.times {
            let slack = over(*seconds, *budget);
            say::line(&format!("{name:<16} {seconds:>5} s of {:>5} s{slack}", budget * 60));
        }
        say::line(&format!("{:<16} {whole:>5} s", "all parts"));
        for (name, why) in &self.failed {
            say::line(&format!("failed: {name}: {why}"));
            let log = log_of(name).ok().and_then(|log| std::fs::read(log).ok()).unwrap_or_default();
            for line in telling(&String::from_utf8_lossy(&log)) {
                say::line(&format!("  {line}"));
            }
        }
        let _ = say::result(&format!("{}\n", self.summary()));
        u8::from(!self.good())
    }

    fn summary(&self) -> String {
        let skipped = if self.skipped > 0 { format!(", {} skipped", self.skipped) } else { String::new() };
        format!("{} passed, {} failed{skipped}", self.passed, self.failed.len())
    }
}

/// How one part ended.
struct End {
    name: &'static str,
    outcome: Result<i32, String>,
    seconds: u64,
    budget: u64,
}

fn ended(part: &Part) -> End {
    let start = Instant::now();
    let Part { name, cmd, budget, minutes, .. } = part;
    say::line(&format!("{name}: {cmd} (budget {budget} min, ended after {minutes} min)"));
    let outcome = watch(part);
    End { name, outcome, seconds: start.elapsed().as_secs(), budget: *budget }
}

/// What is said of a part that took longer than its budget.
fn over(seconds: u64, budget: u64) -> &'static str {
    if seconds > budget * 60 { ", over its budget" } else { "" }
}

/// The lines that say what failed, or without any the last ones; each cut to a length that can be read.
fn telling(log: &str) -> Vec<String> {
    let says = |line: &&str| ["FAIL", "error", "failed:", "panicked"].iter().any(|word| line.contains(word));
    let mut lines: Vec<&str> = log.lines().filter(says).collect();
    if lines.is_empty() {
        lines = log.lines().filter(|l| !l.trim().is_empty()).collect();
        lines.drain(..lines.len().saturating_sub(5));
    }
    lines.iter().take(AGAIN).map(|line| line.chars().take(600).collect()).collect()
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use machine::Cmd;

    fn part(name: &'static str, script: &str) -> Part {
        Part { name, cmd: Cmd::new("sh").args(["-c", script]), budget: 1, minutes: 1, quiet: true }
    }

    #[test]
    fn passed_failed_and_skipped_parts_are_counted() {
        let mut score = Score::default();
        score.run(&part("t-good", "echo fine"));
        score.run(&part("t-away", "exit 77"));
        assert!(score.good());
        score.run(&part("t-bad", "echo broken; exit 3"));
        assert_eq!(score.summary(), "1 passed, 1 failed, 1 skipped");
        assert_eq!(score.failed, [("t-bad", "exit code 3".to_owned())]);
    }

    #[test]
    fn two_lanes_take_one_part_after_the_other_and_count_them_all() {
        let mut score = Score::default();
        let parts = [("t-long", "sleep 3; exit 5"), ("t-first", "sleep 1"), ("t-second", "sleep 1; exit 4")];
        score.run_in_two_lanes(parts.map(|(name, script)| part(name, script)).into());
        let failed: Vec<&str> = score.failed.iter().map(|(name, _)| *name).collect();
        assert_eq!(failed, ["t-second", "t-long"]);
        assert_eq!(score.summary(), "1 passed, 2 failed");
    }

    #[test]
    fn a_log_is_told_by_the_lines_that_say_what_failed() {
        assert_eq!(telling("ok one\nFAIL two  it was three\nok four\n"), ["FAIL two  it was three"]);
        assert_eq!(telling("one\n\ntwo\n"), ["one", "two"]);
        let long = format!("FAIL {}", "x".repeat(2000));
        assert_eq!(telling(&long)[0].len(), 600);
    }
}
