//! While something is waited for: what stands in its way is said as soon as it is seen, not only at the deadline.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::future::Future;
use std::time::Duration;

use kubeapi::Api;
use steps::{Event, Sink};

use crate::findings::findings;
use crate::status::seen;

/// How often is looked.
const EVERY: Duration = Duration::from_secs(10);

/// Waits for `wait`; meanwhile says every finding once, when it was there twice in a row.
pub(crate) async fn telling<T>(api: &Api, step: &str, sink: &dyn Sink, wait: impl Future<Output = T>) -> T {
    tokio::select! {
        done = wait => done,
        never = tell(api, step, sink) => match never {},
    }
}

async fn tell(api: &Api, step: &str, sink: &dyn Sink) -> Infallible {
    let mut lines = Lines::default();
    loop {
        tokio::time::sleep(EVERY).await;
        // an API that does not answer is the wait's own affair
        let Ok(seen) = seen(api).await else { continue };
        for text in lines.lasting(findings(&seen).iter().map(ToString::to_string).collect()) {
            sink.emit(Event::Note { step: step.to_owned(), text });
        }
    }
}

/// Which findings were seen and said.
#[derive(Default)]
struct Lines {
    before: BTreeSet<String>,
    told: BTreeSet<String>,
}

impl Lines {
    /// Those of `now` that have lasted and were not said yet.
    fn lasting(&mut self, now: BTreeSet<String>) -> Vec<String> {
        let seen_twice = now.intersection(&self.before).filter(|line| !self.told.contains(*line)).cloned();
        let new: Vec<String> = seen_twice.collect();
        self.told.extend(new.iter().cloned());
        self.before = now;
        new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lasts_is_said_once_and_what_passes_is_not() {
        let set = |lines: &[&str]| lines.iter().map(|l| (*l).to_owned()).collect();
        let mut lines = Lines::default();
        assert!(lines.lasting(set(&["a", "b"])).is_empty());
        assert_eq!(lines.lasting(set(&["b", "c"])), ["b"]);
        assert_eq!(lines.lasting(set(&["b", "c"])), ["c"]);
        assert!(lines.lasting(set(&["b", "c"])).is_empty());
    }
}
