//! The clock, which certificates depend on.

use std::time::{Duration, SystemTime};

use crate::finding::{Check, Finding, Level};

/// A clock more than this far ahead of the program's making is more likely wrong than right.
const FAR: Duration = Duration::from_secs(20 * 366 * 24 * 3600);

/// Judges whether `now` can be true.
pub(crate) fn judge_clock(now: SystemTime, not_before: SystemTime) -> Finding {
    let unix = |t: SystemTime| t.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |d| d.as_secs());
    let level = if now < not_before || now > not_before + FAR { Level::Error } else { Level::Good };
    Finding::new(Check::Clock, level, "clock")
        .found(format!("{} s since 1970", unix(now)))
        .wanted(format!("{} s or later", unix(not_before)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn before_the_program_was_made_and_long_after_are_implausible() {
        let made = SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_225_600);
        let level = |now| judge_clock(now, made).level;
        assert_eq!(level(made - Duration::from_secs(1)), Level::Error);
        assert_eq!(level(made + Duration::from_secs(86_400)), Level::Good);
        assert_eq!(level(made + FAR + Duration::from_secs(1)), Level::Error);
    }
}
