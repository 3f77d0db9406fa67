//! The clocks of a lab's nodes, before k3s may start on them and in words.

use std::time::SystemTime;

use futures_util::future::{join_all, try_join_all};

use crate::nodes::Live;
use crate::run::Run;
use crate::secrets::Secrets;
use crate::{AirlabError, Failure};

/// Measures every node's clock before k3s may start there. One that is off, after a suspension for instance, is put right
/// where it is the node's own; unless it is this host's clock, and so the registry's, that is wrong: that one is told, and
/// not followed.
pub(crate) async fn ensure(run: &Run<'_>, secrets: &Secrets, live: &[Live]) -> Result<(), Failure> {
    let measured = join_all(live.iter().map(|node| timesync::measure(&node.ssh))).await;
    let own = measured.iter().flatten().filter(|clock| clock.clock == timesync::Whose::Own);
    let seconds = |at: SystemTime| at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    let evidence = timesync::Evidence {
        now: seconds(SystemTime::now()),
        past: seconds(secrets.born),
        nodes: own.filter_map(|clock| clock.offset).collect(),
    };
    match timesync::judge_host(&evidence) {
        timesync::HostClock::Plausible => {}
        timesync::HostClock::BeforeThePast(by) => {
            let why = format!("it is {by} s before the lab's own authority was made");
            return Err(AirlabError::HostClock { why }.into());
        }
        timesync::HostClock::AgainstTheNodes(offset) => {
            let why = format!("the nodes agree with each other, and are {offset} to it");
            return Err(AirlabError::HostClock { why }.into());
        }
    }
    let clocks = try_join_all(live.iter().zip(measured).map(|(node, measured)| async move {
        let right = |clock: &timesync::Clock| {
            let decision = clock.offset.map(|o| timesync::decide(timesync::Policy::default(), o));
            decision.is_none_or(|d| d == timesync::Decision::Right) || clock.clock == timesync::Whose::Host
        };
        let clock = match measured {
            Ok(clock) if right(&clock) => clock,
            // far off, a good certificate looks bad
            Ok(_) | Err(timesync::ClockError::Untrusted { .. }) => {
                let clock = timesync::sync(&node.ssh).await?;
                run.changed(format!("{}: clock set", node.node.name));
                clock
            }
            Err(error) => return Err(error.into()),
        };
        Ok::<_, Failure>((node.node.name.clone(), clock))
    }));
    for (node, clock) in clocks.await? {
        run.note("clocks", format!("{node}: {}", words(&clock)));
        if let Some(offset) = clock.offset
            && timesync::decide(timesync::Policy::default(), offset) == timesync::Decision::Refuse
        {
            return Err(AirlabError::ClockOff { node, offset: offset.to_string() }.into());
        }
    }
    Ok(())
}

/// A reading in words; a clock that is the host's is called that, and never counts as a measured success.
pub(crate) fn words(clock: &timesync::Clock) -> String {
    let offset = clock.offset.map_or_else(|| "not measured".to_owned(), |o| format!("{o} against the registry"));
    match clock.clock {
        timesync::Whose::Host => format!("the host's clock ({offset})"),
        timesync::Whose::Own => offset,
    }
}
