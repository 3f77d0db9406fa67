//! What xtask says: lines on standard error, results on standard output.

use std::io::Write;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use steps::{Clock, Event, Lines, Sink, Timeline};

use crate::Ended;

/// A line on standard error.
pub(crate) fn line(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// A result on standard output.
pub(crate) fn result(text: &str) -> Ended {
    let _ = std::io::stdout().lock().write_all(text.as_bytes());
    Ok(0)
}

/// A verb that does not exist yet ends with 2.
pub(crate) fn not_yet(verb: &str) -> Ended {
    line(&format!("{verb}: not yet"));
    Ok(2)
}

/// Stamped lines with the time left, and a sign of life when nothing else is said.
pub(crate) struct Talk {
    pub(crate) clock: Clock,
    lines: Mutex<Lines>,
    kept: PathBuf,
    /// Another program speaks now.
    hushed: AtomicBool,
}

impl Talk {
    /// Talks about a run of this `kind`, which takes as long as last time, or else as `usual` says.
    pub(crate) fn start(kind: &str, usual: Timeline) -> Arc<Self> {
        let clock = Clock::start();
        let kept = demolab::default_cache().join("timings").join(format!("{kind}.json"));
        let last = std::fs::read(&kept).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let mut lines = Lines::default();
        lines.expect(last.unwrap_or(usual), clock.now());
        let talk = Arc::new(Self { clock, lines: Mutex::new(lines), kept, hushed: AtomicBool::new(false) });
        let weak = Arc::downgrade(&talk);
        std::thread::spawn(move || keep_alive(&weak));
        talk
    }

    /// Something to be said.
    pub(crate) fn say(&self, text: &str) {
        let stamped = self.lines.lock().unwrap_or_else(PoisonError::into_inner).line(text, self.clock.now());
        line(&stamped);
    }

    /// No more signs of life: from here on the program that is started speaks for itself.
    pub(crate) fn hush(&self) {
        self.hushed.store(true, Ordering::Relaxed);
    }

    /// The run ended well; the next one is measured by it.
    pub(crate) fn finished(&self) {
        let run = self.lines.lock().unwrap_or_else(PoisonError::into_inner).close(self.clock.now());
        if let Ok(json) = serde_json::to_vec_pretty(&run) {
            // only an estimate: when it cannot be kept, the next run starts from the usual figures
            let _ = machine::write_file(&self.kept, &json, 0o644);
        }
    }
}

impl Sink for Talk {
    fn emit(&self, event: Event) {
        let text = self.lines.lock().unwrap_or_else(PoisonError::into_inner).event(&event, self.clock.now());
        if let Some(text) = text {
            line(&text);
        }
    }
}

fn keep_alive(talk: &Weak<Talk>) {
    while let Some(talk) = talk.upgrade() {
        let text = talk.lines.lock().unwrap_or_else(PoisonError::into_inner).still(talk.clock.now());
        if let Some(text) = text.filter(|_| !talk.hushed.load(Ordering::Relaxed)) {
            line(&text);
        }
        drop(talk);
        std::thread::sleep(Duration::from_millis(500));
    }
}
