//! What `Date` headers say about this program's own clock. They have whole seconds: each answer bounds the offset, and
//! several together narrow it down.

use std::time::Duration;

use crate::Offset;

/// Between which two values a clock's offset to the registry is.
///
/// ```
/// use timesync::{Bounds, Offset};
/// // asked at 10.90 s, answered at 10.95 s: "second 10"; asked again at 11.00 s, answered at 11.02 s: "second 11"
/// let bounds = Bounds::of(10_900, 10, 10_950).and(Bounds::of(11_000, 11, 11_020));
/// assert_eq!(bounds.offset(), Some(Offset(-40)));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    low: i64,
    high: i64,
}

impl Bounds {
    /// What one answer says: asked and answered in milliseconds since 1970 by this clock, the registry's in seconds.
    pub fn of(asked: i64, second: i64, answered: i64) -> Self {
        Self { low: asked - second * 1000 - 1000, high: answered - second * 1000 }
    }

    /// What two answers say together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self { low: self.low.max(other.low), high: self.high.min(other.high) }
    }

    /// How far apart they still are; nothing is left between two that contradict each other by little.
    pub fn width(self) -> Duration {
        Duration::from_millis(u64::try_from(self.high - self.low).unwrap_or(0))
    }

    /// The middle; `None` where answers contradict each other by more than half a second.
    pub fn offset(self) -> Option<Offset> {
        (self.low - self.high < 500).then(|| Offset(i64::midpoint(self.low, self.high)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_around_a_new_second_tell_a_tenth_of_it() {
        let ahead = 250;
        // the registry is asked every 80 ms, and needs 20 ms to answer
        let ask = |at: i64| Bounds::of(at + ahead, (at + 10) / 1000, at + 20 + ahead);
        let one = ask(5_000);
        assert!(one.width() > Duration::from_millis(900));
        let all = (1..20).map(|n| ask(5_000 + n * 80)).fold(one, Bounds::and);
        assert!(all.width() <= Duration::from_millis(120), "{all:?}");
        assert!((all.offset().unwrap().0 - ahead).abs() < 60, "{all:?}");
    }

    #[test]
    fn a_date_that_does_not_move_is_no_clock() {
        let ask = |at: i64| Bounds::of(at, 5, at + 20);
        assert_eq!(ask(5_000).and(ask(9_000)).offset(), None);
    }
}
