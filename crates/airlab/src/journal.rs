//! The history of a lab, for people and support bundles. Nothing reads it to decide.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;
use steps::{Event, Sink};

/// Hands every event on and appends those that tell of a beginning, an end or a note to a file, one JSON object a line.
pub(crate) struct Journal<'a> {
    file: Option<File>,
    onward: &'a dyn Sink,
}

#[derive(Serialize)]
struct Line<'a> {
    /// Seconds since 1970, UTC.
    at: f64,
    #[serde(flatten)]
    event: &'a Event,
}

impl<'a> Journal<'a> {
    /// A journal that cannot be written is no reason to stop: events still go on.
    pub(crate) fn open(path: &Path, onward: &'a dyn Sink) -> Self {
        let folder = path.parent().map(std::fs::create_dir_all);
        let file = folder.and_then(Result::ok).and_then(|()| File::options().create(true).append(true).open(path).ok());
        Self { file, onward }
    }
}

impl Sink for Journal<'_> {
    fn emit(&self, event: Event) {
        let passing = matches!(event, Event::Progress { .. } | Event::Waiting { .. });
        if let (Some(mut file), false) = (self.file.as_ref(), passing) {
            let at = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
            if let Ok(mut line) = serde_json::to_vec(&Line { at, event: &event }) {
                line.push(b'\n');
                let _ = file.write_all(&line);
            }
        }
        self.onward.emit(event);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use steps::{Outcome, Recorder};

    #[test]
    fn beginnings_and_ends_are_kept_and_everything_is_handed_on() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("demo/journal.jsonl");
        let seen = Recorder::default();
        let journal = Journal::open(&path, &seen);
        let step = || "keys".to_owned();
        journal.emit(Event::Started { step: step() });
        journal.emit(Event::Progress { step: step(), done: 1, total: None, unit: "keys" });
        journal.emit(Event::Finished { step: step(), outcome: Outcome::Unchanged, took: Default::default() });
        let text = std::fs::read_to_string(&path).unwrap();
        let events: Vec<serde_json::Value> = text.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
        assert_eq!(events.iter().map(|e| e["event"].as_str().unwrap()).collect::<Vec<_>>(), ["started", "finished"]);
        assert_eq!(seen.events().len(), 3);
    }
}
