//! Parts of a longer check: each with a budget, a deadline, its output under its name, and a sign of life.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use machine::{Cmd, Local};

use crate::say;

/// The exit code by which a part says that it cannot run here; the reason is its last line.
pub(crate) const SKIPPED: i32 = 77;

/// One part.
pub(crate) struct Part {
    pub(crate) name: &'static str,
    pub(crate) cmd: Cmd,
    /// Minutes it should take on a quiet machine with two cores; longer is said, but no failure.
    pub(crate) budget: u64,
    /// Minutes after which it hangs: it is ended and fails.
    pub(crate) minutes: u64,
}

/// How parts ended.
#[derive(Debug)]
pub(crate) struct Score {
    start: Instant,
    passed: usize,
    failed: Vec<&'static str>,
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
    /// Runs the part and counts it. `quiet` parts show their output only when they fail.
    pub(crate) fn run(&mut self, part: &Part, quiet: bool) {
        self.count(&ended(part, quiet));
    }

    /// Runs one part on one core and the others, one after the other, beside it.
    pub(crate) fn run_beside(&mut self, long: &Part, others: &[(Part, bool)]) {
        let long = std::thread::scope(|scope| {
            let long = scope.spawn(|| ended(long, false));
            for (part, quiet) in others {
                self.run(part, *quiet);
            }
            long.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        });
        self.count(&long);
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
            Ok(code) => {
                self.failed.push(name);
                format!("FAILED with exit code {code}")
            }
            Err(why) => {
                self.failed.push(name);
                format!("FAILED: {why}")
            }
        };
        self.times.push((name, *seconds, *budget));
        say::line(&format!("{name}: {verdict} after {seconds} s{}", over(*seconds, *budget)));
    }

    /// Whether every part so far passed or was skipped.
    pub(crate) fn good(&self) -> bool {
        self.failed.is_empty()
    }

    /// The closing lines; exit code 1 when a part failed.
    pub(crate) fn close(&self) -> u8 {
        let whole = self.start.elapsed().as_secs();
        for (name, seconds, budget) in &self.times {
            let slack = over(*seconds, *budget);
            say::line(&format!("{name:<16} {seconds:>5} s of {:>5} s{slack}", budget * 60));
        }
        say::line(&format!("{:<16} {whole:>5} s", "all parts"));
        if !self.good() {
            say::line(&format!("failed: {}", self.failed.join(", ")));
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

fn ended(part: &Part, quiet: bool) -> End {
    let start = Instant::now();
    let Part { name, cmd, budget, minutes } = part;
    say::line(&format!("{name}: {cmd} (budget {budget} min, ended after {minutes} min)"));
    let outcome = watch(part, quiet);
    End { name, outcome, seconds: start.elapsed().as_secs(), budget: *budget }
}

/// What is said of a part that took longer than its budget.
fn over(seconds: u64, budget: u64) -> &'static str {
    if seconds > budget * 60 { ", over its budget" } else { "" }
}

/// Runs the part to its end, showing its output; past its deadline, ends it and says so.
fn watch(part: &Part, quiet: bool) -> Result<i32, String> {
    let log = log_of(part.name)?;
    let plain = part.cmd.clone().env("TERM", "dumb").env("CARGO_TERM_COLOR", "never");
    let running = Local.start(&plain, &log).map_err(|e| full(&e))?;
    let start = Instant::now();
    let mut tail = Tail { path: log, at: 0, name: part.name, told: Instant::now(), last: String::new() };
    loop {
        let ended = running.ended();
        if !quiet {
            tail.show(false);
        }
        if let Some(code) = ended {
            if code != 0 && quiet {
                tail.show(true);
            }
            return Ok(code);
        }
        if start.elapsed() > Duration::from_secs(part.minutes * 60) {
            end_group(running.pid);
            tail.show(true);
            let last = if tail.last.is_empty() { "nothing" } else { &tail.last };
            return Err(format!("still running after {} min: ended; it hung after saying: {last}", part.minutes));
        }
        if tail.told.elapsed() > Duration::from_secs(30) {
            tail.told = Instant::now();
            say::line(&format!("{} | still running, {} s", part.name, start.elapsed().as_secs()));
        }
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// An error with its causes on one line.
pub(crate) fn full(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |e| (*e).source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

fn log_of(name: &str) -> Result<PathBuf, String> {
    let dir = crate::lab::target().join("xtask");
    std::fs::create_dir_all(&dir).map_err(|e| format!("{}: {e}", dir.display()))?;
    let log = dir.join(format!("{}.log", name.replace(' ', "-")));
    let _ = std::fs::remove_file(&log);
    Ok(log)
}

fn end_group(pid: u32) {
    for signal in ["-TERM", "-KILL"] {
        let _ = Local.run(&Cmd::new("kill").args([signal, "--", &format!("-{pid}")]));
        std::thread::sleep(Duration::from_secs(2));
    }
}

struct Tail {
    path: PathBuf,
    at: u64,
    name: &'static str,
    told: Instant,
    /// The last line shown.
    last: String,
}

impl Tail {
    /// Shows the whole lines that were added; with `rest`, the last hundred lines up to the end of the file.
    fn show(&mut self, rest: bool) {
        let text = read_from(&self.path, self.at).unwrap_or_default();
        let text = if rest { &text[..] } else { text.rfind('\n').map_or("", |end| &text[..=end]) };
        self.at += text.len() as u64;
        let lines: Vec<&str> = text.lines().collect();
        let from = if rest { lines.len().saturating_sub(100) } else { 0 };
        for line in &lines[from..] {
            say::line(&format!("{} | {line}", self.name));
            (*line).clone_into(&mut self.last);
            self.told = Instant::now();
        }
    }
}

/// The text from byte `at` on, up to the last whole character.
fn read_from(path: &Path, at: u64) -> std::io::Result<String> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(at))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    let whole = std::str::from_utf8(&bytes).map_or_else(|e| e.valid_up_to(), str::len);
    // bytes that are no text at all must not stop the tail
    let whole = if whole == 0 { bytes.len() } else { whole };
    Ok(String::from_utf8_lossy(&bytes[..whole]).into_owned())
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    fn part(name: &'static str, script: &str, minutes: u64) -> Part {
        Part { name, cmd: Cmd::new("sh").args(["-c", script]), budget: 1, minutes }
    }

    #[test]
    fn passed_failed_and_skipped_parts_are_counted() {
        let mut score = Score::default();
        score.run(&part("t-good", "echo fine", 1), true);
        score.run(&part("t-away", "exit 77", 1), true);
        assert!(score.good());
        score.run(&part("t-bad", "echo broken; exit 3", 1), true);
        assert_eq!(score.summary(), "1 passed, 1 failed, 1 skipped");
        assert_eq!(score.failed, ["t-bad"]);
    }

    #[test]
    fn a_part_beside_others_counts_as_they_do() {
        let mut score = Score::default();
        let others = [(part("t-first", "sleep 1", 1), true), (part("t-second", "exit 4", 1), true)];
        score.run_beside(&part("t-long", "sleep 2; exit 5", 1), &others);
        assert_eq!(score.failed, ["t-second", "t-long"]);
        assert_eq!(score.summary(), "1 passed, 2 failed");
    }

    #[test]
    fn a_part_past_its_deadline_is_ended_and_fails() {
        let mut score = Score::default();
        let start = Instant::now();
        let hangs = part("t-hangs", "echo opening the door; sleep 60 & sleep 60", 0);
        let why = watch(&hangs, true).unwrap_err();
        assert!(why.ends_with("it hung after saying: opening the door"), "{why}");
        score.run(&hangs, true);
        assert!(!score.good() && start.elapsed() < Duration::from_secs(30));
    }
}
