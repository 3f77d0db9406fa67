//! Why a node's clock is off, or will be.

use std::time::Duration;

use machine::{Cmd, Exec};
use steps::Problem;

use crate::{Clock, ClockError, Offset, Policy, State, Whose, measure};

/// One reason. Several can hold at once.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Cause {
    /// The files of time synchronisation are not there.
    #[error("{node}: sync-time is not installed")]
    NotInstalled {
        /// The node.
        node: String,
    },
    /// Nobody looks at the clock every minute.
    #[error("{node}: sync-time.timer is {state}")]
    TimerOff {
        /// The node.
        node: String,
        /// What systemd calls it.
        state: String,
    },
    /// The registry cannot be asked.
    #[error("{node}: {registry} cannot be asked: {last}")]
    NoRegistry {
        /// The node.
        node: String,
        /// Its address.
        registry: String,
        /// What the node said.
        last: String,
    },
    /// The registry's clock, the desktop's, jumped.
    #[error("{node}: the clock of {registry} jumped, {offset} to this node")]
    RegistryMoved {
        /// The node.
        node: String,
        /// Its address.
        registry: String,
        /// The node's clock minus the registry's.
        offset: Offset,
    },
    /// The clock is the host's.
    #[error("{node}: the host's clock, {offset} to the registry")]
    HostsClock {
        /// The node.
        node: String,
        /// How far off.
        offset: Offset,
    },
    /// Something or somebody set the node's clock.
    #[error("{node}: the clock was set, {offset} to the registry")]
    WasSet {
        /// The node.
        node: String,
        /// How far off.
        offset: Offset,
    },
    /// Another program sets the clock as well.
    #[error("{node}: {service} sets the clock too")]
    Another {
        /// The node.
        node: String,
        /// Its unit.
        service: String,
    },
}

impl Problem for Cause {
    fn id(&self) -> &'static str {
        match self {
            Self::NotInstalled { .. } => "AL-TIM-010",
            Self::TimerOff { .. } => "AL-TIM-011",
            Self::NoRegistry { .. } => "AL-TIM-012",
            Self::RegistryMoved { .. } => "AL-TIM-013",
            Self::HostsClock { .. } => "AL-TIM-014",
            Self::WasSet { .. } => "AL-TIM-015",
            Self::Another { .. } => "AL-TIM-016",
        }
    }

    fn args(&self) -> Vec<(&'static str, String)> {
        let t = |name, text: &dyn ToString| (name, text.to_string());
        match self {
            Self::NotInstalled { node } => vec![t("node", node)],
            Self::TimerOff { node, state } => vec![t("node", node), t("state", state)],
            Self::NoRegistry { node, registry, last } => {
                vec![t("node", node), t("registry", registry), t("last", last)]
            }
            Self::RegistryMoved { node, registry, offset } => {
                vec![t("node", node), t("registry", registry), t("offset", offset)]
            }
            Self::HostsClock { node, offset } | Self::WasSet { node, offset } => {
                vec![t("node", node), t("offset", offset)]
            }
            Self::Another { node, service } => vec![t("node", node), t("service", service)],
        }
    }
}

/// Prints whether the script is there, the state of its timer, what else keeps time, and what was recorded.
const LOOK: &str = "[ -x /usr/local/sbin/sync-time ] && echo installed || echo missing
systemctl is-active sync-time.timer || true
for unit in systemd-timesyncd chrony chronyd ntp ntpd ntpsec openntpd; do
  systemctl is-active --quiet $unit && printf '%s ' $unit
done
echo
cat /run/airlab/clock.json 2> /dev/null || true";

/// Finds every cause that holds on this node now, which is called `name`; an empty list is a node that is right and stays
/// so. Changes nothing.
///
/// # Errors
/// As [`measure`].
pub async fn diagnose(exec: &dyn Exec, name: &str, policy: Policy) -> Result<Vec<Cause>, ClockError> {
    let look = exec.run_ok(&Cmd::new("sh").args(["-c", LOOK]).as_root().timeout(Duration::from_secs(60))).await?;
    let look = look.text();
    let installed = look.starts_with("installed");
    let measured = if installed { Some(measure(exec).await?) } else { None };
    Ok(causes(name, &look, measured.as_ref(), policy))
}

/// What [`LOOK`] printed and a measurement, as causes.
fn causes(node: &str, look: &str, measured: Option<&Clock>, policy: Policy) -> Vec<Cause> {
    let mut lines = look.lines();
    let node = || node.to_owned();
    if lines.next() != Some("installed") {
        return vec![Cause::NotInstalled { node: node() }];
    }
    let mut found = Vec::new();
    let timer = lines.next().unwrap_or("unknown");
    if timer != "active" {
        found.push(Cause::TimerOff { node: node(), state: timer.to_owned() });
    }
    for service in lines.next().unwrap_or_default().split_whitespace() {
        found.push(Cause::Another { node: node(), service: service.to_owned() });
    }
    let recorded: Option<Clock> = lines.next().and_then(|json| serde_json::from_str(json).ok());
    let Some(now) = measured else { return found };
    match now.offset {
        None => {
            found.push(Cause::NoRegistry { node: node(), registry: now.source.clone(), last: now.why.clone() });
        }
        Some(offset) if offset.size() <= policy.right => {}
        Some(offset) => found.push(match (now.clock, recorded.map(|r| r.state)) {
            (Whose::Host, _) => Cause::HostsClock { node: node(), offset },
            (_, Some(State::Moved)) => Cause::RegistryMoved { node: node(), registry: now.source.clone(), offset },
            _ => Cause::WasSet { node: node(), offset },
        }),
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(state: State, offset: Option<i64>, clock: Whose) -> Clock {
        let (offset, source) = (offset.map(Offset), "192.168.6.1:5000".to_owned());
        Clock { state, offset, clock, source, at: "2026-01-01T00:00:00Z".to_owned(), why: String::new() }
    }

    #[test]
    fn each_cause_has_its_id() {
        let record = |state| serde_json::to_string(&reading(state, Some(0), Whose::Own)).unwrap();
        let ids = |look: &str, measured: Option<Clock>| -> Vec<&'static str> {
            causes("n", look, measured.as_ref(), Policy::default()).iter().map(Problem::id).collect()
        };
        let (good, far) = (reading(State::Ok, Some(30), Whose::Own), reading(State::Wrong, Some(300_000), Whose::Own));
        let fine = format!("installed\nactive\n\n{}\n", record(State::Ok));
        assert_eq!(ids(&fine, Some(good.clone())), [""; 0]);
        assert_eq!(ids("missing\nunknown\n\n", None), ["AL-TIM-010"]);
        assert_eq!(ids(&fine.replace("\nactive", "\ninactive"), Some(good.clone())), ["AL-TIM-011"]);
        assert_eq!(ids(&fine, Some(reading(State::Degraded, None, Whose::Own))), ["AL-TIM-012"]);
        let moved = fine.replace(&record(State::Ok), &record(State::Moved));
        assert_eq!(ids(&moved, Some(far.clone())), ["AL-TIM-013"]);
        assert_eq!(ids(&fine, Some(reading(State::Wrong, Some(5_000), Whose::Host))), ["AL-TIM-014"]);
        assert_eq!(ids(&fine, Some(far)), ["AL-TIM-015"]);
        assert_eq!(ids(&fine.replace("\n\n", "\nchrony ntp \n"), Some(good)), ["AL-TIM-016", "AL-TIM-016"]);
    }
}
