//! The clocks of a lab's nodes and of this host: before k3s may start on them, and side by side.

use std::time::{Duration, SystemTime};

use futures_util::future::{join_all, try_join_all};
use machine::{Ssh, SshError};
use timesync::{
    Clock, ClockError, Comparison, Decision, Evidence, HostClock, HostReading, NodeReading, Policy, Verdict, Whose,
};

use crate::nodes::Live;
use crate::registry::Registry;
use crate::run::Run;
use crate::secrets::Secrets;
use crate::{AirlabError, ClockOwner, Context, Facts, Failure, Finding};

/// What a node said about its clock, under its name; `Err` is why it said nothing.
pub type Said = (String, Result<Clock, String>);

/// Measures every node's clock before k3s may start there. One that is off, after a suspension for instance, is put right
/// where it is the node's own; unless it is this host's clock, and so the registry's, that is wrong: that one is told, and
/// not followed. A clock of its own that a node cannot compare is refused: the registry answers by now, so it is the
/// node's way to it that is broken.
pub(crate) async fn ensure(
    run: &Run<'_>,
    secrets: &Secrets,
    registry: &Registry<'_>,
    live: &[Live],
) -> Result<(), Failure> {
    let measured = join_all(live.iter().map(|node| timesync::measure(&node.ssh))).await;
    // it takes a second or two, and says something only of a clock that was ahead once
    let host = if secrets.made > secrets.born { registry.host_offset().await.ok() } else { None };
    match judge_host(secrets, host, measured.iter().flatten()) {
        HostClock::Plausible => {}
        wrong => return Err(AirlabError::HostClock { why: against(wrong) }.into()),
    }
    let clocks = try_join_all(live.iter().zip(measured).map(|(node, measured)| async move {
        let name = &node.node.name;
        let clock = match measured {
            Ok(clock) if clock.clock == Whose::Host || clock.offset.is_none_or(right) => clock,
            // far off, a good certificate looks bad
            Ok(_) | Err(ClockError::Untrusted { .. }) => {
                if let Some(why) = jumped(name, timesync::recorded(&node.ssh).await) {
                    return Err(AirlabError::HostClock { why }.into());
                }
                let clock = timesync::sync(&node.ssh).await.map_err(|error| refused(name, error))?;
                run.changed(format!("{name}: clock set"));
                clock
            }
            Err(error) => return Err(error.into()),
        };
        joins(name, &clock)?;
        Ok::<_, Failure>((name.clone(), clock))
    }));
    for (node, clock) in clocks.await? {
        run.note("clocks", format!("{node}: {}", words(&clock)));
    }
    Ok(())
}

fn right(offset: timesync::Offset) -> bool {
    timesync::decide(Policy::default(), offset) == Decision::Right
}

/// What speaks against the registry's clock, which is this host's, where a node saw it jump.
fn jumped(node: &str, recorded: Result<Option<Clock>, ClockError>) -> Option<String> {
    let clock = recorded.ok()?.filter(|clock| clock.state == timesync::State::Moved)?;
    let registry = &clock.source;
    Some(format!("{node} ran on steadily when the clock of {registry} jumped, and is {} to it", clock.offset?))
}

/// A clock that the node could not set, under its name in the lab.
fn refused(node: &str, error: ClockError) -> Failure {
    match error {
        ClockError::Wrong { offset, last, .. } => AirlabError::ClockOff { node: node.to_owned(), offset, last }.into(),
        other => other.into(),
    }
}

/// Whether k3s may start beside this clock.
fn joins(node: &str, clock: &Clock) -> Result<(), AirlabError> {
    let node = node.to_owned();
    match clock.offset {
        None if clock.clock == Whose::Own => {
            Err(AirlabError::NoTime { node, registry: clock.source.clone(), last: clock.why.clone() })
        }
        Some(offset) if timesync::decide(Policy::default(), offset) == Decision::Refuse => {
            let last = "its clock is the host's, which a node cannot set".to_owned();
            Err(AirlabError::ClockOff { node, offset: offset.to_string(), last })
        }
        _ => Ok(()),
    }
}

/// What the nodes' clocks and the lab's birth say about this host's.
fn judge_host<'a>(
    secrets: &Secrets,
    host: Option<timesync::Offset>,
    clocks: impl Iterator<Item = &'a Clock>,
) -> HostClock {
    let seconds = |at: SystemTime| at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    let (own, hosts): (Vec<&Clock>, Vec<&Clock>) = clocks.partition(|clock| clock.clock == Whose::Own);
    timesync::judge_host(&Evidence {
        now: seconds(SystemTime::now()),
        past: seconds(secrets.made),
        valid: seconds(secrets.made - pki::BACK_DATED),
        nodes: own.iter().filter_map(|clock| clock.offset).collect(),
        host,
        shared: own.is_empty() && !hosts.is_empty(),
    })
}

/// What speaks against this host's clock.
fn against(verdict: HostClock) -> String {
    match verdict {
        HostClock::Plausible => String::new(),
        HostClock::BeforeThePast(by) => format!("it is {by} s before the lab's own authority was made by it"),
        HostClock::AgainstTheNodes(offset) => format!("the nodes agree with each other, and are {offset} to it"),
    }
}

/// Logs in to these nodes of a lab, or to all of it, at once.
///
/// # Errors
/// No lab, or no node of a name. A node that does not answer is part of the result.
pub async fn logins(context: &Context, names: &[String]) -> Result<Vec<(String, Result<Ssh, SshError>)>, Failure> {
    let secrets = Secrets::load(&context.lab, &context.files)?;
    let named = names.iter().map(|name| context.node(name).cloned()).collect::<Result<Vec<_>, _>>()?;
    let nodes = if named.is_empty() { context.lab.nodes.clone() } else { named };
    Ok(join_all(nodes.iter().map(|node| {
        let target = secrets.ssh(node);
        async move { (node.name.clone(), Ssh::connect(&target, Duration::from_secs(5)).await) }
    }))
    .await)
}

/// Puts what nodes said about their clocks beside this host's.
///
/// # Errors
/// No lab.
pub async fn compare_clocks(context: &Context, facts: &Facts, said: Vec<Said>) -> Result<Comparison, Failure> {
    let secrets = Secrets::load(&context.lab, &context.files)?;
    let registry = Registry::new(&context.lab, &context.files, secrets.authority.cert_pem(), &context.beside);
    let offset = registry.host_offset().await;
    Ok(compared(&context.lab.registry_address(), facts, &secrets, said, offset))
}

/// The same with this host's offset measured already.
pub(crate) fn compared(
    registry: &str,
    facts: &Facts,
    secrets: &Secrets,
    mut said: Vec<Said>,
    host: Result<timesync::Offset, String>,
) -> Comparison {
    for (_, clock) in &mut said {
        if let (Ok(clock), ClockOwner::Host) = (clock, facts.clock) {
            clock.clock = Whose::Host;
        }
    }
    let verdict =
        judge_host(secrets, host.as_ref().ok().copied(), said.iter().filter_map(|(_, clock)| clock.as_ref().ok()));
    let nodes = said.into_iter().map(|(name, said)| NodeReading::of(&name, said, Policy::default()));
    Comparison {
        registry: registry.to_owned(),
        nodes: nodes.collect(),
        host: HostReading { verdict, offset_ms: host.as_ref().ok().copied(), why: host.err().unwrap_or_default() },
    }
}

/// Every clock of these that is not right, as a finding, but for those of nodes that are silent altogether.
pub(crate) fn findings(clocks: &Comparison, silent: &[String]) -> impl Iterator<Item = Finding> {
    let finding = |what| Finding { id: "AL-STA-005", what };
    let offset = |offset: Option<timesync::Offset>| offset.map_or_else(String::new, |o| format!("{o} to the registry"));
    let wrong = clocks.nodes.iter().filter(|node| !node.is_right() && !silent.contains(&node.name));
    let nodes = wrong.map(move |node| {
        let what = match node.verdict {
            Verdict::NotMeasured => format!("not measured: {}", node.why),
            Verdict::HostOff => format!("the host's clock, {}", offset(node.offset_ms)),
            _ => offset(node.offset_ms),
        };
        finding(format!("clock of {}: {what}", node.name))
    });
    let host = (!clocks.host.is_right()).then(|| match clocks.host.verdict {
        HostClock::Plausible => finding(format!("clock of this host: {}", offset(clocks.host.offset_ms))),
        wrong => finding(format!("clock of this host: {}", against(wrong))),
    });
    nodes.chain(host)
}

/// A reading in words; a clock that is the host's is called that, and never counts as a measured success.
fn words(clock: &Clock) -> String {
    let offset = clock.offset.map_or_else(|| "not measured".to_owned(), |o| format!("{o} against the registry"));
    match clock.clock {
        Whose::Host => format!("the host's clock ({offset})"),
        Whose::Own => offset,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use steps::Problem;
    use timesync::{Offset, State};

    fn clock(offset: Option<i64>, clock: Whose) -> Clock {
        let state = if offset.is_some() { State::Ok } else { State::Degraded };
        let (source, why) = ("192.168.6.1:5000".to_owned(), "curl: (7) Failed to connect".to_owned());
        Clock { state, offset: offset.map(Offset), clock, source, at: "2026-01-01T00:00:00Z".to_owned(), why }
    }

    #[test]
    fn a_node_that_cannot_compare_a_clock_of_its_own_does_not_join_and_one_with_the_hosts_does() {
        let ids = |offset, whose| joins("n", &clock(offset, whose)).err().map(|e| e.id());
        assert_eq!(ids(None, Whose::Own), Some("AL-RUN-021"));
        assert_eq!(ids(None, Whose::Host), None);
        assert_eq!(ids(Some(30_000), Whose::Host), Some("AL-RUN-008"));
        assert_eq!(ids(Some(29_000), Whose::Host), None);
        assert_eq!(ids(Some(40), Whose::Own), None);
    }

    #[test]
    fn a_registry_that_a_node_saw_jump_is_not_followed() {
        let recorded = |state| Clock { state, ..clock(Some(3_600_000), Whose::Own) };
        let why = jumped("n", Ok(Some(recorded(State::Moved)))).unwrap();
        assert!(why.contains("192.168.6.1:5000") && why.contains("+3600000 ms"), "{why}");
        assert_eq!(jumped("n", Ok(Some(recorded(State::Wrong)))), None);
        assert_eq!(jumped("n", Ok(None)), None);
    }

    #[test]
    fn findings_name_every_clock_that_is_not_right() {
        let node = |name: &str, clock| NodeReading::of(name, clock, Policy::default());
        let clocks = Comparison {
            registry: "192.168.6.1:5000".into(),
            nodes: vec![
                node("a", Ok(clock(Some(10), Whose::Host))),
                node("b", Ok(clock(Some(300_000), Whose::Own))),
                node("c", Ok(clock(None, Whose::Own))),
                node("d", Err("no route".into())),
            ],
            host: HostReading { verdict: HostClock::BeforeThePast(3_600), offset_ms: None, why: "refused".into() },
        };
        let found: Vec<String> = findings(&clocks, &["d".to_owned()]).map(|f| f.what).collect();
        assert_eq!(
            found,
            [
                "clock of b: +300000 ms to the registry",
                "clock of c: not measured: curl: (7) Failed to connect",
                "clock of this host: it is 3600 s before the lab's own authority was made by it",
            ]
        );
    }
}
