//! Waiting for a described condition, with a deadline and the last error kept.

use std::future::Future;
use std::time::{Duration, Instant};

use crate::{Event, Problem, Sink};

/// How to wait: what for, how often to look, for how long at the most.
#[derive(Debug, Clone)]
pub struct Wait {
    /// The condition in words: `ssh on master`.
    pub what: String,
    /// Pause between two looks.
    pub every: Duration,
    /// After this long the wait fails with [`TimedOut`]. One look may still be under way: it is cut off.
    pub deadline: Duration,
}

impl Wait {
    /// A wait for `what` that looks every half second.
    pub fn new(what: impl Into<String>, deadline: Duration) -> Self {
        Self { what: what.into(), every: Duration::from_millis(500), deadline }
    }

    /// The same wait with another pause between looks.
    pub fn every(mut self, every: Duration) -> Self {
        self.every = every;
        self
    }
}

/// A condition did not come true in time.
#[derive(Debug, thiserror::Error)]
#[error("{what} did not come true within {} s; last: {last}", after.as_secs())]
pub struct TimedOut {
    /// The condition in words.
    pub what: String,
    /// How long it was waited for.
    pub after: Duration,
    /// What the last look said.
    pub last: String,
}

impl Problem for TimedOut {
    fn id(&self) -> &'static str {
        "AL-RUN-001"
    }

    fn args(&self) -> Vec<(&'static str, String)> {
        vec![("what", self.what.clone()), ("seconds", self.after.as_secs().to_string()), ("last", self.last.clone())]
    }
}

/// Looks until `probe` answers `Ok`, or the deadline passes. `Err` from the probe is the reason why not yet.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// use std::time::Duration;
/// let mut tries = 0;
/// let wait = steps::Wait::new("third time lucky", Duration::from_secs(5)).every(Duration::from_millis(1));
/// let n = steps::wait_for(wait, &steps::Silent, || { tries += 1; let n = tries;
///     async move { if n < 3 { Err(format!("try {n}")) } else { Ok(n) } } }).await;
/// assert_eq!(n.unwrap(), 3);
/// # });
/// ```
pub async fn wait_for<T, F, Fut>(wait: Wait, sink: &dyn Sink, mut probe: F) -> Result<T, TimedOut>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<T, String>>,
{
    let start = Instant::now();
    let mut told = Instant::now();
    let mut last = String::from("not looked yet");
    loop {
        let left = wait.deadline.saturating_sub(start.elapsed());
        match tokio::time::timeout(left, probe()).await {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(why)) => last = why,
            Err(_) => return Err(TimedOut { what: wait.what, after: wait.deadline, last }),
        }
        if told.elapsed() >= Duration::from_secs(5) {
            told = Instant::now();
            sink.emit(Event::Waiting { step: wait.what.clone(), last: last.clone(), elapsed: start.elapsed() });
        }
        if start.elapsed() + wait.every >= wait.deadline {
            return Err(TimedOut { what: wait.what, after: wait.deadline, last });
        }
        tokio::time::sleep(wait.every).await;
    }
}
