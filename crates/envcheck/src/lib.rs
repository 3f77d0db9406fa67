//! Read-only checks of the host before anything is changed, each with a remedy.
//!
//! Every check is run; none stops the others. A check is a pure function that judges what was read against what the
//! caller's [`Spec`] wants; [`check`] only reads. On Windows the Linux checks answer "not checked here".
//!
//! ```
//! let spec = envcheck::Spec { memory: 1 << 20, ..envcheck::Spec::default() };
//! let report = envcheck::check(&spec);
//! assert!(report.findings.iter().any(|f| f.check == envcheck::Check::Memory));
//! ```

mod check;
mod clock;
mod finding;
mod host;
mod kernel;
mod packages;
mod ports;
mod resources;
mod spec;

pub use check::check;
pub use finding::{Check, Finding, Level, Report, Unfit};
pub use spec::{DiskNeed, Spec};

/// Every problem id of this crate.
pub const PROBLEMS: &[&str] = &[
    "AL-ENV-001",
    "AL-ENV-002",
    "AL-ENV-003",
    "AL-ENV-004",
    "AL-ENV-005",
    "AL-ENV-006",
    "AL-ENV-007",
    "AL-ENV-008",
    "AL-ENV-009",
];
