//! How a wrong clock is put right, given what runs there. The guest script does what [`mend`] says.

use std::time::Duration;

use serde::Serialize;

use crate::{Offset, Whose};

/// Ahead by up to this much under a running Kubernetes, a clock goes slower for a while.
const SLEW: Duration = Duration::from_secs(10);
/// Behind by up to this much, a step forward is no more than a slow answer to who runs there.
const FORWARD: Duration = Duration::from_secs(30);
/// Nobody suspends a machine for longer: a registry further ahead is wrong itself.
const SUSPENDED: Duration = Duration::from_secs(30 * 86_400);

/// What is known about a node whose clock is off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Situation {
    /// Its clock minus the registry's.
    pub offset: Offset,
    /// Whose the clock is.
    pub clock: Whose,
    /// Whether k3s runs there.
    pub running: bool,
    /// The node's clock ran on, since it was last right, as fast as the time since its start: it did not jump, and the
    /// machine's clock was not set. `false` where that is not known.
    pub steady: bool,
}

/// What to do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mending {
    /// Nothing: it is right.
    Leave,
    /// Set it.
    Step,
    /// Let it go slower until it is right: no moment comes twice by more than a tenth of a second.
    Slew,
    /// Stop k3s, set it, start k3s. Backwards, what was just written would lie in the future (tokens, leases, states that
    /// only go forward); far forwards, every lease would be over at once.
    StopFirst,
    /// The registry's clock jumped, which is the desktop's: do not follow it.
    RegistryMoved,
    /// The clock is the host's: nothing can be done there.
    HostsClock,
}

/// Decides how a clock is put right; `right` is the limit within which it is.
///
/// ```
/// use std::time::Duration;
/// use timesync::{Mending, Offset, Situation, Whose, mend};
/// let five_minutes_ahead = Situation { offset: Offset(300_000), clock: Whose::Own, running: true, steady: false };
/// assert_eq!(mend(five_minutes_ahead, Duration::from_secs(2)), Mending::StopFirst);
/// ```
pub fn mend(node: Situation, right: Duration) -> Mending {
    let (size, ahead) = (node.offset.size(), node.offset.0 > 0);
    if size <= right {
        return Mending::Leave;
    }
    if node.steady && (ahead || size > SUSPENDED) {
        return Mending::RegistryMoved;
    }
    match (node.clock, node.running, ahead) {
        (Whose::Host, _, _) => Mending::HostsClock,
        (Whose::Own, false, _) => Mending::Step,
        (Whose::Own, true, true) if size <= SLEW => Mending::Slew,
        (Whose::Own, true, false) if size <= FORWARD => Mending::Step,
        (Whose::Own, true, _) => Mending::StopFirst,
    }
}

/// What is known on this host about its own clock, which the registry's Date is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence {
    /// This host's clock, in seconds since 1970.
    pub now: u64,
    /// What this host's clock said before, in seconds since 1970: when the lab's authority was born.
    pub past: u64,
    /// From when on the lab's certificates are valid, in seconds since 1970: some time before that.
    pub valid: u64,
    /// Offsets to the registry of nodes with clocks of their own.
    pub nodes: Vec<Offset>,
    /// This host's own offset to it, where it was measured.
    pub host: Option<Offset>,
    /// Whether there are nodes, and all of them run by this host's clock.
    pub shared: bool,
}

/// Whether this host's own clock can be followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum HostClock {
    /// Nothing speaks against it.
    Plausible,
    /// It is before what it said itself, by so many seconds, and no other clock says that it is right now.
    BeforeThePast(u64),
    /// Two nodes or more agree with each other, and not with it: their clock minus this host's, in milliseconds.
    AgainstTheNodes(Offset),
}

/// Judges the desktop's own clock: what it is wrong by is told, and nobody follows it.
///
/// A clock that is before what it said itself is wrong now, or was then. Nodes whose own clocks agree with it show that it
/// was then; where all nodes run by it there is no other clock that it could be apart from. For so long as the lab's
/// certificates are valid that does no harm. In all other cases it is taken to be wrong now.
///
/// ```
/// use timesync::{Evidence, HostClock, Offset, judge_host};
/// let behind = Evidence { now: 1_000, past: 4_600, valid: 0, nodes: vec![], host: None, shared: false };
/// assert_eq!(judge_host(&behind), HostClock::BeforeThePast(3_600));
/// let was_ahead = Evidence { nodes: vec![Offset(400)], host: Some(Offset(-300)), ..behind };
/// assert_eq!(judge_host(&was_ahead), HostClock::Plausible);
/// ```
pub fn judge_host(evidence: &Evidence) -> HostClock {
    let near = |offset: &Offset| offset.size() <= FORWARD;
    let agree = !evidence.nodes.is_empty() && evidence.nodes.iter().chain(&evidence.host).all(near);
    let was_ahead = evidence.shared || (agree && evidence.host.is_some());
    // a minute for file systems and hosts that count differently
    let before = evidence.past.saturating_sub(evidence.now);
    if before > 60 && !(was_ahead && evidence.now >= evidence.valid) {
        return HostClock::BeforeThePast(before);
    }
    let (low, high) = (evidence.nodes.iter().min(), evidence.nodes.iter().max());
    match (low, high) {
        (Some(low), Some(high))
            if evidence.nodes.len() > 1
                && high.0.abs_diff(low.0) <= 2_000
                // behind they may be because they were suspended, as in `mend`
                && ((low.0 > 0 && low.size() > FORWARD) || (high.0 < 0 && high.size() > SUSPENDED)) =>
        {
            HostClock::AgainstTheNodes(Offset(i64::midpoint(low.0, high.0)))
        }
        _ => HostClock::Plausible,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_depends_on_direction_size_and_what_runs() {
        use Mending::{HostsClock, Leave, RegistryMoved, Slew, Step, StopFirst};
        let month = 31 * 86_400_000;
        for (ms, clock, running, steady, expected) in [
            (0, Whose::Own, true, true, Leave),
            (2_000, Whose::Own, true, false, Leave),
            (-2_000, Whose::Host, false, false, Leave),
            (2_001, Whose::Own, true, false, Slew),
            (10_000, Whose::Own, true, false, Slew),
            (10_001, Whose::Own, true, false, StopFirst),
            (300_000, Whose::Own, true, false, StopFirst),
            (-2_001, Whose::Own, true, false, Step),
            (-30_000, Whose::Own, true, true, Step),
            (-30_001, Whose::Own, true, true, StopFirst),
            (-300_000, Whose::Own, true, false, StopFirst),
            (300_000, Whose::Own, false, false, Step),
            (-300_000, Whose::Own, false, false, Step),
            (-month, Whose::Own, false, false, Step),
            (5_000, Whose::Own, true, true, RegistryMoved),
            (300_000, Whose::Own, false, true, RegistryMoved),
            (-month, Whose::Own, true, true, RegistryMoved),
            (5_000, Whose::Host, true, false, HostsClock),
            (-5_000, Whose::Host, false, true, HostsClock),
        ] {
            let node = Situation { offset: Offset(ms), clock, running, steady };
            assert_eq!(mend(node, Duration::from_secs(2)), expected, "{node:?}");
        }
    }

    #[test]
    fn the_desktop_is_judged_by_what_is_past_and_by_nodes_that_agree() {
        let judge = |now, past, nodes: &[i64]| {
            let nodes = nodes.iter().map(|ms| Offset(*ms)).collect();
            judge_host(&Evidence { now, past, valid: 0, nodes, host: None, shared: false })
        };
        assert_eq!(judge(1_000, 900, &[]), HostClock::Plausible);
        assert_eq!(judge(1_000, 1_060, &[]), HostClock::Plausible);
        assert_eq!(judge(1_000, 1_061, &[]), HostClock::BeforeThePast(61));
        assert_eq!(judge(1_000, 0, &[300_000, 300_400]), HostClock::AgainstTheNodes(Offset(300_200)));
        assert_eq!(judge(1_000, 0, &[-300_000, -300_400]), HostClock::Plausible, "they may have been suspended");
        let months = -60 * 86_400_000;
        assert_eq!(judge(1_000, 0, &[months, months - 4]), HostClock::AgainstTheNodes(Offset(months - 2)));
        assert_eq!(judge(1_000, 0, &[300_000]), HostClock::Plausible, "one node alone may be the wrong one");
        assert_eq!(judge(1_000, 0, &[300_000, 10]), HostClock::Plausible);
        assert_eq!(judge(1_000, 0, &[29_000, 29_500]), HostClock::Plausible);
    }

    #[test]
    fn a_lab_that_was_made_while_the_desktop_was_ahead_is_not_lost() {
        let day = 86_400;
        let judge_with = |past, nodes: &[i64], host: Option<i64>, shared| {
            let nodes = nodes.iter().map(|ms| Offset(*ms)).collect();
            judge_host(&Evidence { now: 100_000, past, valid: past - day, nodes, host: host.map(Offset), shared })
        };
        let judge = |past, nodes: &[i64], shared| judge_with(past, nodes, Some(-3), shared);
        let hour = 103_600;
        for host in [None, Some(-3_600_000)] {
            let said = judge_with(hour, &[-40, 10], host, false);
            assert_eq!(
                said,
                HostClock::BeforeThePast(3_600),
                "the nodes agree with the registry, and not with this host"
            );
        }
        assert_eq!(judge(hour, &[], false), HostClock::BeforeThePast(3_600), "nobody says that it is right");
        assert_eq!(judge(hour, &[3_600_000], false), HostClock::BeforeThePast(3_600));
        assert_eq!(judge(hour, &[3_600_000, 10], false), HostClock::BeforeThePast(3_600), "not all agree");
        assert_eq!(judge(hour, &[-40, 10], false), HostClock::Plausible);
        assert_eq!(judge(hour, &[], true), HostClock::Plausible, "there is no other clock");
        let late = 100_000 + day + 1;
        assert_eq!(judge(late, &[-40, 10], false), HostClock::BeforeThePast(day + 1), "no certificate is valid yet");
        assert_eq!(judge(late, &[], true), HostClock::BeforeThePast(day + 1));
        assert_eq!(judge(late - 1, &[-40, 10], false), HostClock::Plausible);
    }
}
