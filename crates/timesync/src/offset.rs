//! Differences between clocks, and what to think of them.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A clock minus the registry's, in milliseconds: positive means ahead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Offset(pub i64);

impl Offset {
    /// How far off, whichever way.
    pub fn size(self) -> Duration {
        Duration::from_millis(self.0.unsigned_abs())
    }
}

impl std::fmt::Display for Offset {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:+} ms", self.0)
    }
}

/// How far off a clock may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// Within this it is right. KubeSphere's tokens tolerate ten seconds, etcd's leases less.
    pub right: Duration,
    /// From this on a node must not join.
    pub join: Duration,
}

impl Default for Policy {
    /// Two seconds, thirty seconds.
    fn default() -> Self {
        Self { right: Duration::from_secs(2), join: Duration::from_secs(30) }
    }
}

/// What an offset means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Leave it.
    Right,
    /// Wrong, but certificates and leases still work; put it right.
    Drifting,
    /// Do not let it near the cluster.
    Refuse,
}

/// Judges one offset.
///
/// ```
/// use timesync::{Decision, Offset, Policy, decide};
/// assert_eq!(decide(Policy::default(), Offset(-300)), Decision::Right);
/// assert_eq!(decide(Policy::default(), Offset(3_600_000)), Decision::Refuse);
/// ```
pub fn decide(policy: Policy, offset: Offset) -> Decision {
    if offset.size() <= policy.right {
        Decision::Right
    } else if offset.size() < policy.join {
        Decision::Drifting
    } else {
        Decision::Refuse
    }
}

/// Those whose clock is further than `limit` from the median of all. Nodes that agree with each other but not with the
/// registry are not among them: skew between nodes is what breaks a cluster.
pub fn outliers(clocks: &[(String, Offset)], limit: Duration) -> Vec<(String, Offset)> {
    let mut sorted: Vec<Offset> = clocks.iter().map(|(_, offset)| *offset).collect();
    sorted.sort_unstable();
    let Some(median) = sorted.get(sorted.len() / 2).copied() else { return Vec::new() };
    let far = |offset: Offset| Duration::from_millis(offset.0.abs_diff(median.0)) > limit;
    clocks.iter().filter(|(_, offset)| far(*offset)).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_seconds_are_right_and_thirty_are_refused() {
        let at = |ms| decide(Policy::default(), Offset(ms));
        assert_eq!(
            [at(2000), at(-2001), at(29_999), at(30_000), at(-30_000)],
            [Decision::Right, Decision::Drifting, Decision::Drifting, Decision::Refuse, Decision::Refuse]
        );
    }

    #[test]
    fn one_clock_an_hour_ahead_is_named_and_the_others_are_not() {
        let clock = |name: &str, ms| (name.to_owned(), Offset(ms));
        let all = [clock("a", 10), clock("b", 3_600_000), clock("c", -40)];
        assert_eq!(outliers(&all, Duration::from_secs(30)), [clock("b", 3_600_000)]);
        let together = [clock("a", 3_600_000), clock("b", 3_600_100)];
        assert_eq!(outliers(&together, Duration::from_secs(30)), []);
        assert_eq!(outliers(&[], Duration::ZERO), []);
    }
}
