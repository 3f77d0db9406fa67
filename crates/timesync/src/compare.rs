//! The clocks of a lab side by side: every node's and this host's, each against the registry's.

use serde::Serialize;

use crate::{Clock, Decision, HostClock, Offset, Policy, State, Whose, decide};

/// All clocks of a lab.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Comparison {
    /// `ADDRESS:PORT` of the registry that all are measured against.
    pub registry: String,
    /// Every node, in the lab file's order.
    pub nodes: Vec<NodeReading>,
    /// This host.
    pub host: HostReading,
}

/// A node's clock, judged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NodeReading {
    /// The node.
    pub name: String,
    /// What to think of it.
    pub verdict: Verdict,
    /// Its clock minus the registry's, where it could be measured.
    pub offset_ms: Option<Offset>,
    /// Whose the clock is, where the node could say.
    pub clock: Option<Whose>,
    /// Why it is not right, in the node's own words; mostly empty.
    pub why: String,
}

/// What to think of a node's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Right, and its own.
    Right,
    /// Off, by less than what would keep it from the cluster.
    Drifting,
    /// Off by so much that k3s must not start there.
    Off,
    /// The host's clock, which the node can only show.
    Host,
    /// The host's clock, and off.
    HostOff,
    /// The registry's clock jumped, and the node did not follow.
    RegistryMoved,
    /// Nobody knows.
    NotMeasured,
}

/// This host's clock, judged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HostReading {
    /// Whether it can be followed.
    pub verdict: HostClock,
    /// Its clock minus the registry's, where it could be measured.
    pub offset_ms: Option<Offset>,
    /// Why it could not.
    pub why: String,
}

impl NodeReading {
    /// Judges what a node said; `Err` is why it said nothing.
    ///
    /// ```
    /// use timesync::{NodeReading, Policy, Verdict};
    /// let silent = NodeReading::of("worker1", Err("no route to host".into()), Policy::default());
    /// assert_eq!((silent.verdict, silent.is_right()), (Verdict::NotMeasured, false));
    /// ```
    pub fn of(name: &str, said: Result<Clock, String>, policy: Policy) -> Self {
        let name = name.to_owned();
        let clock = match said {
            Ok(clock) => clock,
            Err(why) => return Self { name, verdict: Verdict::NotMeasured, offset_ms: None, clock: None, why },
        };
        let decision = clock.offset.map(|offset| decide(policy, offset));
        let verdict = match (clock.state, clock.clock, decision) {
            (_, _, None) => Verdict::NotMeasured,
            (State::Moved, _, _) => Verdict::RegistryMoved,
            (_, Whose::Host, Some(Decision::Right)) => Verdict::Host,
            (_, Whose::Host, Some(_)) => Verdict::HostOff,
            (_, Whose::Own, Some(Decision::Right)) => Verdict::Right,
            (_, Whose::Own, Some(Decision::Drifting)) => Verdict::Drifting,
            (_, Whose::Own, Some(Decision::Refuse)) => Verdict::Off,
        };
        Self { name, verdict, offset_ms: clock.offset, clock: Some(clock.clock), why: clock.why }
    }

    /// Whether nothing has to be done about it.
    pub fn is_right(&self) -> bool {
        matches!(self.verdict, Verdict::Right | Verdict::Host)
    }
}

impl Comparison {
    /// Whether every clock is right, this host's too.
    pub fn is_right(&self) -> bool {
        self.nodes.iter().all(NodeReading::is_right) && self.host.is_right()
    }
}

impl HostReading {
    /// Whether it can be followed, and the registry goes with it: one in a virtual machine of its own may not.
    pub fn is_right(&self) -> bool {
        let near = self.offset_ms.is_none_or(|offset| decide(Policy::default(), offset) == Decision::Right);
        self.verdict == HostClock::Plausible && near
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(state: State, offset: Option<i64>, clock: Whose) -> NodeReading {
        let clock = Clock {
            state,
            offset: offset.map(Offset),
            clock,
            source: "192.168.6.1:5000".to_owned(),
            at: "2026-01-01T00:00:00Z".to_owned(),
            why: "curl: (7) refused".to_owned(),
        };
        NodeReading::of("n", Ok(clock), Policy::default())
    }

    #[test]
    fn a_clock_that_is_the_hosts_is_never_called_right_and_one_that_nobody_measured_neither() {
        for (state, offset, clock, verdict, fine) in [
            (State::Ok, Some(40), Whose::Own, Verdict::Right, true),
            (State::Ok, Some(0), Whose::Host, Verdict::Host, true),
            (State::Wrong, Some(5_000), Whose::Host, Verdict::HostOff, false),
            (State::Wrong, Some(5_000), Whose::Own, Verdict::Drifting, false),
            (State::Wrong, Some(-30_000), Whose::Own, Verdict::Off, false),
            (State::Moved, Some(300_000), Whose::Own, Verdict::RegistryMoved, false),
            (State::Degraded, None, Whose::Own, Verdict::NotMeasured, false),
            (State::Degraded, None, Whose::Host, Verdict::NotMeasured, false),
        ] {
            let reading = reading(state, offset, clock);
            assert_eq!((reading.verdict, reading.is_right()), (verdict, fine), "{reading:?}");
        }
    }

    #[test]
    fn the_hosts_verdict_and_its_way_from_the_registry_count() {
        let host =
            |verdict, offset: Option<i64>| HostReading { verdict, offset_ms: offset.map(Offset), why: String::new() };
        assert!(host(HostClock::Plausible, Some(10)).is_right() && host(HostClock::Plausible, None).is_right());
        assert!(!host(HostClock::Plausible, Some(90_000)).is_right(), "a registry whose machine slept");
        assert!(!host(HostClock::BeforeThePast(60), Some(0)).is_right());
    }
}
