//! Events, conditions and problems: the one idea of progress, and nothing more.
//!
//! Libraries *report* through a [`Sink`]; programs decide what a person sees. Libraries *fail* with a
//! [`Problem`]: an id with typed arguments, never a sentence. Sentences and languages live in `tools/cli`.

mod cause;
mod estimate;
mod event;
mod lines;
mod problem;
#[cfg(feature = "wait")]
mod wait;

pub use cause::{chain, innermost};
pub use estimate::{Mark, Timeline};
pub use event::{Event, Outcome, Recorder, Silent, Sink};
pub use lines::{Clock, Lines};
pub use problem::Problem;
#[cfg(feature = "wait")]
pub use wait::{TimedOut, Wait, wait_for};

/// Every problem id of this crate.
pub const PROBLEMS: &[&str] = &["AL-RUN-001"];
