//! One run: where its events go, and what it has changed.

use std::future::Future;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use lab::{Lab, Layout};
use steps::{Event, Outcome, Sink};

use crate::Failure;

/// What every step of a run shares.
pub(crate) struct Run<'a> {
    pub(crate) lab: &'a Lab,
    pub(crate) files: &'a Layout,
    pub(crate) sink: &'a dyn Sink,
    changes: Mutex<Vec<String>>,
}

impl<'a> Run<'a> {
    pub(crate) fn new(lab: &'a Lab, files: &'a Layout, sink: &'a dyn Sink) -> Self {
        Self { lab, files, sink, changes: Mutex::default() }
    }

    /// Notes one change of the world.
    pub(crate) fn changed(&self, what: impl Into<String>) {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner).push(what.into());
    }

    /// Notes a change if there was one.
    pub(crate) fn changed_if(&self, changed: bool, what: impl Into<String>) {
        if changed {
            self.changed(what);
        }
    }

    /// Everything changed so far, in order.
    pub(crate) fn changes(&self) -> Vec<String> {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn note(&self, step: &str, text: impl Into<String>) {
        self.sink.emit(Event::Note { step: step.to_owned(), text: text.into() });
    }

    /// Runs one step between its two events. What it changed is what it noted meanwhile under its own name or below.
    pub(crate) async fn step<T>(
        &self,
        name: &str,
        work: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        let start = Instant::now();
        self.sink.emit(Event::Started { step: name.to_owned() });
        let before = self.changes().len();
        let value = work.await.map_err(|f| f.in_step(name))?;
        let new = self.changes().split_off(before);
        let mine: Vec<String> = new.into_iter().filter(|c| concerns(name, c)).collect();
        let outcome = if mine.is_empty() { Outcome::Unchanged } else { Outcome::Changed(summary(&mine)) };
        self.sink.emit(Event::Finished { step: name.to_owned(), outcome, took: start.elapsed() });
        Ok(value)
    }
}

/// Steps of several nodes run side by side: a change belongs to the step of its node (`node: text`).
fn concerns(step: &str, change: &str) -> bool {
    match step.split_once('/') {
        None => true,
        Some((_, node)) => change.split_once(": ").is_none_or(|(whose, _)| whose == node),
    }
}

fn summary(changes: &[String]) -> String {
    match changes {
        [one] => one.clone(),
        [one, two] => format!("{one}; {two}"),
        [one, rest @ ..] => format!("{one}; and {} more", rest.len()),
        [] => String::new(),
    }
}
