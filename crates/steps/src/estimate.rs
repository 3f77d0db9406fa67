//! How long is left, judged by how the last run of the same kind went.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// When a step ended, and how long it took, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Mark {
    /// Seconds from the start of the run to the end of the step.
    pub at: f64,
    /// Seconds the step itself took.
    pub took: f64,
}

/// One run as a line of marks. A program keeps the last one of each kind and compares the present run with it.
///
/// ```
/// use std::time::Duration;
/// let last = steps::Timeline::new([("build", 60, 60), ("install", 90, 30)], 100);
/// let mut now = steps::Timeline::default();
/// now.mark("build", Duration::from_secs(60), Duration::from_secs(60));
/// assert_eq!(now.left(&last, Duration::from_secs(70)), Some(Duration::from_secs(30)));
/// ```
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Timeline {
    marks: BTreeMap<String, Mark>,
    total: f64,
}

impl Timeline {
    /// A line from known figures: step, second at which it ended, seconds it took; and the seconds of the whole.
    pub fn new<'a>(marks: impl IntoIterator<Item = (&'a str, u32, u32)>, total: u32) -> Self {
        let mark = |(step, at, took): (&str, u32, u32)| (step.to_owned(), Mark { at: at.into(), took: took.into() });
        Self { marks: marks.into_iter().map(mark).collect(), total: total.into() }
    }

    /// Notes the end of a step.
    pub fn mark(&mut self, step: &str, at: Duration, took: Duration) {
        self.marks.insert(step.to_owned(), Mark { at: at.as_secs_f64(), took: took.as_secs_f64() });
    }

    /// Notes the end of the run.
    pub fn close(&mut self, at: Duration) {
        self.total = at.as_secs_f64();
    }

    /// What is left of this run at `now`, if it goes like `last`; nothing when there is no last run.
    /// Where this run's steps take longer or shorter than they did, the rest is stretched by the same factor.
    pub fn left(&self, last: &Self, now: Duration) -> Option<Duration> {
        if last.total <= 0.0 {
            return None;
        }
        let now = now.as_secs_f64();
        let known = |step: &str| last.marks.get(step).or_else(|| last.marks.get(step.split('/').next()?));
        let passed = self.marks.iter().filter_map(|(step, here)| Some((known(step)?.at, here.at)));
        let (there, here) = passed.max_by(|a, b| a.0.total_cmp(&b.0)).unwrap_or((0.0, 0.0));
        let pace = self.pace(&known, last.total);
        let ahead =
            last.marks.iter().filter(|(step, mark)| mark.at > there && !self.has(step)).map(|(_, mark)| mark.at);
        let next = ahead.min_by(f64::total_cmp).unwrap_or(last.total);
        let position = (there + (now - here).max(0.0) / pace).min(next);
        Some(Duration::from_secs_f64((last.total - position).max(0.0) * pace))
    }

    fn has(&self, step: &str) -> bool {
        self.marks.contains_key(step) || self.marks.keys().any(|s| s.split('/').next() == Some(step))
    }

    /// This run's time over the last run's, of the steps that took more than a second in both.
    fn pace<'a>(&self, known: &impl Fn(&str) -> Option<&'a Mark>, total: f64) -> f64 {
        let both = self.marks.iter().filter_map(|(step, here)| Some((here.took, known(step)?.took)));
        let (here, there) = both.filter(|(a, b)| *a > 1.0 && *b > 1.0).fold((0.0, 0.0), |s, t| (s.0 + t.0, s.1 + t.1));
        if there < total / 10.0 { 1.0 } else { (here / there).clamp(0.4, 4.0) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    #[test]
    fn without_a_last_run_there_is_no_estimate() {
        assert_eq!(Timeline::default().left(&Timeline::default(), seconds(5)), None);
    }

    #[test]
    fn a_step_that_hangs_does_not_use_up_the_rest() {
        let last = Timeline::new([("a", 10, 10), ("b", 20, 10)], 100);
        assert_eq!(Timeline::default().left(&last, seconds(500)), Some(seconds(90)));
    }

    #[test]
    fn a_slower_machine_stretches_what_is_left() {
        let last = Timeline::new([("a", 40, 40)], 100);
        let mut now = Timeline::default();
        now.mark("a", seconds(80), seconds(80));
        assert_eq!(now.left(&last, seconds(80)), Some(seconds(120)));
    }

    #[test]
    fn a_cached_step_moves_the_run_forward_at_once() {
        let last = Timeline::new([("image", 80, 80), ("nodes", 100, 20)], 100);
        let mut now = Timeline::default();
        now.mark("image", seconds(1), Duration::from_millis(10));
        assert_eq!(now.left(&last, seconds(1)), Some(seconds(20)));
    }

    #[test]
    fn a_node_s_step_is_known_by_its_family() {
        let last = Timeline::new([("install", 50, 50)], 60);
        let mut now = Timeline::default();
        now.mark("install/other-name", seconds(50), seconds(50));
        assert_eq!(now.left(&last, seconds(50)), Some(seconds(10)));
    }
}
