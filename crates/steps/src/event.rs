//! What a library reports while it works.

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde::Serialize;

/// How a step ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Something was changed; the text says what.
    Changed(String),
    /// Everything was already as wanted.
    Unchanged,
    /// Done, but a person should know this.
    Warned(String),
}

/// One thing that happened. Serialized as one JSON object per event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// A step begins.
    Started {
        /// Stable name of the step, `registry` or `install/master`.
        step: String,
    },
    /// A step moved on.
    Progress {
        /// The step.
        step: String,
        /// How much is done, in `unit`.
        done: u64,
        /// How much there is, where known.
        total: Option<u64>,
        /// `bytes`, `images`, `nodes`, ...
        unit: &'static str,
    },
    /// A step waits for a described condition; sent at least every five seconds.
    Waiting {
        /// The step or condition, in words.
        step: String,
        /// The last thing the probe said, such as an error.
        last: String,
        /// How long it has been waiting.
        elapsed: Duration,
    },
    /// A step has something to say that is neither progress nor an end.
    Note {
        /// The step.
        step: String,
        /// One line for a person.
        text: String,
    },
    /// A step ended well.
    Finished {
        /// The step.
        step: String,
        /// How.
        outcome: Outcome,
        /// Wall time it took.
        took: Duration,
    },
}

/// One line for logs and terminals, without a time stamp.
///
/// ```
/// let event = steps::Event::Progress { step: "mirror".into(), done: 3, total: Some(8), unit: "images" };
/// assert_eq!(event.to_string(), "mirror: 3 of 8 images");
/// ```
impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Started { step } => write!(f, "{step} ..."),
            Self::Progress { step, done, total, unit } => {
                let amount = |n: u64| if *unit == "bytes" { mib(n) } else { n.to_string() };
                write!(f, "{step}: {}", amount(*done))?;
                if let Some(total) = total {
                    write!(f, " of {}", amount(*total))?;
                }
                write!(f, " {}", if *unit == "bytes" { "MiB" } else { unit })
            }
            Self::Waiting { step, last, elapsed } => {
                write!(f, "waiting for {step}, {} s; last: {last}", elapsed.as_secs())
            }
            Self::Note { step, text } => write!(f, "{step}: {text}"),
            Self::Finished { step, outcome, took } => {
                let seconds = took.as_secs_f64();
                match outcome {
                    Outcome::Changed(what) if what.is_empty() => write!(f, "{step}: done ({seconds:.1} s)"),
                    Outcome::Changed(what) => write!(f, "{step}: {what} ({seconds:.1} s)"),
                    Outcome::Unchanged => write!(f, "{step}: already as wanted ({seconds:.1} s)"),
                    Outcome::Warned(what) => write!(f, "{step}: warning: {what} ({seconds:.1} s)"),
                }
            }
        }
    }
}

fn mib(bytes: u64) -> String {
    format!("{:.1}", bytes as f64 / f64::from(1 << 20))
}

/// Where events go. Programs implement it; it must not block for long.
pub trait Sink: Send + Sync {
    /// Takes one event.
    fn emit(&self, event: Event);
}

/// Drops every event.
#[derive(Debug, Default, Clone, Copy)]
pub struct Silent;

impl Sink for Silent {
    fn emit(&self, _: Event) {}
}

/// Keeps every event, for tests and for JSON results.
///
/// ```
/// use steps::{Event, Recorder, Sink};
/// let seen = Recorder::default();
/// seen.emit(Event::Started { step: "registry".into() });
/// assert_eq!(seen.events().len(), 1);
/// ```
#[derive(Debug, Default)]
pub struct Recorder(Mutex<Vec<Event>>);

impl Recorder {
    /// The events so far, in order.
    pub fn events(&self) -> Vec<Event> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Sink for Recorder {
    fn emit(&self, event: Event) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(event);
    }
}
