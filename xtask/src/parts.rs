//! A part of a longer check: a budget, a deadline, its output under its name, and a sign of life.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use machine::{Cmd, Local};
use steps::chain;

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
    /// Whether its output is shown only when it fails.
    pub(crate) quiet: bool,
}

/// Runs the part to its end, showing its output; past its deadline, ends it and says so.
pub(crate) fn watch(part: &Part) -> Result<i32, String> {
    watch_for(part, Duration::from_secs(part.minutes * 60))
}

fn watch_for(part: &Part, deadline: Duration) -> Result<i32, String> {
    let log = log_of(part.name)?;
    let _ = std::fs::remove_file(&log);
    let plain = part.cmd.clone().env("TERM", "dumb").env("CARGO_TERM_COLOR", "never");
    let running = Local.start(&plain, &log).map_err(|e| chain(&e))?;
    let start = Instant::now();
    let mut tail = Tail { path: log, at: 0, name: part.name, told: Instant::now(), last: String::new() };
    loop {
        let ended = running.ended();
        if !part.quiet {
            tail.show(false);
        }
        if let Some(code) = ended {
            if code != 0 && part.quiet {
                tail.show(true);
            }
            return Ok(code);
        }
        if start.elapsed() > deadline {
            end_group(running.pid);
            tail.show(true);
            let last = if tail.last.is_empty() { "nothing" } else { &tail.last };
            return Err(format!("still running after {deadline:.0?}: ended; it hung after saying: {last}"));
        }
        if tail.told.elapsed() > Duration::from_secs(30) {
            tail.told = Instant::now();
            say::line(&format!("{} | still running, {} s", part.name, start.elapsed().as_secs()));
        }
        std::thread::sleep(Duration::from_millis(200));
    }
}

pub(crate) fn log_of(name: &str) -> Result<PathBuf, String> {
    let dir = crate::lab::target().join("xtask");
    std::fs::create_dir_all(&dir).map_err(|e| format!("{}: {e}", dir.display()))?;
    Ok(dir.join(format!("{}.log", name.replace(' ', "-"))))
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

    fn part(name: &'static str, script: &str) -> Part {
        Part { name, cmd: Cmd::new("sh").args(["-c", script]), budget: 1, minutes: 1, quiet: true }
    }

    #[test]
    fn a_part_past_its_deadline_is_ended_and_fails() {
        let start = Instant::now();
        let hangs = part("t-hangs", "echo opening the door; sleep 60 & sleep 60");
        let why = watch_for(&hangs, Duration::from_secs(4)).unwrap_err();
        assert!(why.ends_with("it hung after saying: opening the door"), "{why}");
        assert!(start.elapsed() < Duration::from_secs(30));
    }
}
