//! Events, conditions and problems: the one idea of progress, and nothing more.
//!
//! Libraries *report* through a [`Sink`]; programs decide what a person sees. Libraries *fail* with a
//! [`Problem`]: an id with typed arguments, never a sentence. Sentences and languages live in `tools/cli`.

mod event;
mod problem;
#[cfg(feature = "wait")]
mod wait;

pub use event::{Event, Outcome, Recorder, Silent, Sink};
pub use problem::Problem;
#[cfg(feature = "wait")]
pub use wait::{TimedOut, Wait, wait_for};
