//! The clock, which certificates depend on.

use std::time::{Duration, SystemTime};

use time::OffsetDateTime;

use crate::finding::{Check, Finding, Level};

/// A clock more than this far ahead of the program's making is more likely wrong than right.
const FAR: Duration = Duration::from_secs(20 * 366 * 24 * 3600);

/// Judges whether `now` can be true.
pub(crate) fn judge_clock(now: SystemTime, not_before: SystemTime) -> Finding {
    let level = if now < not_before || now > not_before + FAR { Level::Error } else { Level::Good };
    Finding::new(Check::Clock, level, "clock").found(told(now)).wanted(format!("{} or later", told(not_before)))
}

/// To the minute, in UTC.
fn told(time: SystemTime) -> String {
    let time = OffsetDateTime::from(time);
    let (date, hour, minute) = (time.date(), time.hour(), time.minute());
    format!("{date} {hour:02}:{minute:02} UTC")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn before_the_program_was_made_and_long_after_are_implausible() {
        let made = SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_225_600);
        let level = |now| judge_clock(now, made).level;
        assert_eq!(judge_clock(made, made).found, "2026-01-01 00:00 UTC");
        assert_eq!(level(made - Duration::from_secs(1)), Level::Error);
        assert_eq!(level(made + Duration::from_secs(86_400)), Level::Good);
        assert_eq!(level(made + FAR + Duration::from_secs(1)), Level::Error);
    }
}
