//! Clocks of nodes against the registry's HTTP Date header, the only clock that an isolated lab can ask.
//!
//! The work is done by a script on the node ([`guest_files`]): floor from a build stamp, then `Date` over verified TLS,
//! read at the moment it steps, then the real-time clock. It runs before k3s starts and every minute. From outside,
//! [`measure`] asks a node for its offset without changing anything, [`sync`] lets it put its clock right,
//! [`decide`] and [`outliers`] judge, [`mend`] says how a wrong clock is put right, [`judge_host`] whether the desktop's can
//! be followed at all, [`diagnose`] why a node is off, and a [`Comparison`] puts all of them side by side.

mod bounds;
mod clock;
mod compare;
mod diagnose;
mod guest;
mod mend;
mod offset;
mod probe;

pub use bounds::Bounds;
pub use clock::{Clock, State, Whose};
pub use compare::{Comparison, HostReading, NodeReading, Verdict};
pub use diagnose::{Cause, diagnose};
pub use guest::{GuestConfig, GuestFile, UNITS, guest_files};
pub use mend::{Evidence, HostClock, Mending, Situation, judge_host, mend};
pub use offset::{Decision, Offset, Policy, decide, outliers};
pub use probe::{ClockError, measure, recorded, sync};

/// The id of every problem this crate can report, but for those of `machine` that it passes on.
pub const PROBLEMS: &[&str] = &[
    "AL-TIM-001",
    "AL-TIM-002",
    "AL-TIM-003",
    "AL-TIM-010",
    "AL-TIM-011",
    "AL-TIM-012",
    "AL-TIM-013",
    "AL-TIM-014",
    "AL-TIM-015",
    "AL-TIM-016",
];
