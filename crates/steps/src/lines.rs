//! Lines for a terminal or a log: time stamps, thinned-out progress, and a sign of life when nothing else is said.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::{Event, Timeline};

/// After this long without a line, a sign of life is due.
const SILENCE: Duration = Duration::from_secs(8);
/// Progress of one step is told at most this often.
const THIN: Duration = Duration::from_secs(2);

/// What was said so far, and what goes on. Pure: it is told the time and gives back lines.
///
/// ```
/// use std::time::Duration;
/// let mut lines = steps::Lines::default();
/// let line = lines.event(&steps::Event::Started { step: "mirror".into() }, Duration::from_secs(61));
/// assert_eq!(line.unwrap(), "[01:01] mirror ...");
/// assert_eq!(lines.still(Duration::from_secs(70)).unwrap(), "[01:10] still: mirror for 9 s");
/// ```
#[derive(Debug, Default)]
pub struct Lines {
    running: BTreeMap<String, Duration>,
    told: BTreeMap<String, Duration>,
    last_line: Duration,
    /// Tell signs of life and the time left even between two steps.
    whole_run: bool,
    /// When the run that is compared began.
    base: Duration,
    last_run: Timeline,
    this_run: Timeline,
}

impl Lines {
    /// Compares the run with `last` from now on, and leaves no long silence until its end.
    pub fn expect(&mut self, last: Timeline, now: Duration) {
        self.last_run = last;
        self.this_run = Timeline::default();
        self.base = now;
        self.whole_run = true;
    }

    /// The run as it went, to be kept for the next one's estimate.
    pub fn close(&mut self, now: Duration) -> Timeline {
        self.whole_run = false;
        self.this_run.close(now.saturating_sub(self.base));
        self.this_run.clone()
    }

    /// The line for an event, if it is worth one.
    pub fn event(&mut self, event: &Event, now: Duration) -> Option<String> {
        match event {
            Event::Started { step } => {
                self.running.insert(step.clone(), now);
            }
            Event::Finished { step, took, .. } => {
                self.running.remove(step);
                self.told.remove(step);
                self.this_run.mark(step, now.saturating_sub(self.base), *took);
            }
            Event::Progress { step, done, total, .. } => {
                let due = self.told.get(step).is_none_or(|at| now.saturating_sub(*at) >= THIN);
                if !due && *total != Some(*done) {
                    return None;
                }
                self.told.insert(step.clone(), now);
            }
            Event::Waiting { .. } | Event::Note { .. } => {}
        }
        Some(self.line(&event.to_string(), now))
    }

    /// Something else that is to be said.
    pub fn line(&mut self, text: &str, now: Duration) -> String {
        self.last_line = now;
        let left = self.left(now).map(|left| format!(", {} left", clock(left))).unwrap_or_default();
        format!("[{}{left}] {text}", clock(now))
    }

    /// A sign of life, when one is due.
    pub fn still(&mut self, now: Duration) -> Option<String> {
        let quiet = now.saturating_sub(self.last_line);
        if quiet < SILENCE || (self.running.is_empty() && !self.whole_run) {
            return None;
        }
        let named =
            |(step, since): (&String, &Duration)| format!("{step} for {} s", now.saturating_sub(*since).as_secs());
        let running: Vec<String> = self.running.iter().take(4).map(named).collect();
        let what = if running.is_empty() { "working".to_owned() } else { running.join(", ") };
        let rest = self.running.len().saturating_sub(4);
        let more = if rest > 0 { format!(" and {rest} more") } else { String::new() };
        Some(self.line(&format!("still: {what}{more}"), now))
    }

    fn left(&self, now: Duration) -> Option<Duration> {
        if self.whole_run { self.this_run.left(&self.last_run, now.saturating_sub(self.base)) } else { None }
    }
}

fn clock(time: Duration) -> String {
    format!("{:02}:{:02}", time.as_secs() / 60, time.as_secs() % 60)
}

/// A clock that starts with the program; `AIRLAB_STARTED_MS`, set by a program that started this one, moves its
/// start back by so many milliseconds.
#[derive(Debug, Clone, Copy)]
pub struct Clock(Instant, Duration);

impl Clock {
    /// The clock of this program; call it once, early.
    pub fn start() -> Self {
        let before = std::env::var("AIRLAB_STARTED_MS").ok().and_then(|ms| ms.parse().ok()).unwrap_or(0);
        Self(Instant::now(), Duration::from_millis(before))
    }

    /// Time since the start.
    pub fn now(&self) -> Duration {
        self.0.elapsed() + self.1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Outcome;

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn started(step: &str) -> Event {
        Event::Started { step: step.into() }
    }

    #[test]
    fn a_running_step_gives_a_sign_of_life_after_eight_quiet_seconds() {
        let mut lines = Lines::default();
        assert_eq!(lines.still(at(60)), None, "nothing runs");
        assert_eq!(lines.event(&started("mirror"), at(61)).unwrap(), "[01:01] mirror ...");
        assert_eq!(lines.still(at(68)), None);
        assert_eq!(lines.still(at(69)).unwrap(), "[01:09] still: mirror for 8 s");
        assert_eq!(lines.still(at(76)), None, "the sign of life itself counts");
    }

    #[test]
    fn progress_is_thinned_but_its_end_is_told() {
        let mut lines = Lines::default();
        let progress = |done| Event::Progress { step: "copy".into(), done, total: Some(9), unit: "images" };
        assert!(lines.event(&progress(1), at(1)).is_some());
        assert!(lines.event(&progress(2), at(2)).is_none());
        assert!(lines.event(&progress(3), at(3)).is_some());
        assert!(lines.event(&progress(9), at(3)).is_some());
    }

    #[test]
    fn the_time_left_stands_on_every_line_of_a_run_that_is_known() {
        let mut lines = Lines::default();
        lines.expect(Timeline::new([("a", 40, 40)], 100), at(0));
        assert_eq!(lines.line("hello", at(10)), "[00:10, 01:30 left] hello");
        let done = Event::Finished { step: "a".into(), outcome: Outcome::Unchanged, took: at(40) };
        assert!(lines.event(&done, at(40)).unwrap().starts_with("[00:40, 01:00 left] a: already as wanted"));
        let kept = lines.close(at(99));
        assert_eq!(kept, {
            let mut t = Timeline::default();
            t.mark("a", at(40), at(40));
            t.close(at(99));
            t
        });
    }
}
