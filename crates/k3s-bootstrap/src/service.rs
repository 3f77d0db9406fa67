//! The systemd unit that runs k3s on a node, and what it is doing.

use std::time::Duration;

use machine::{Cmd, Exec, ExecError};

use crate::files::LOOK;

const END: &str = include_str!("../../../guest/k3s-airlab-end");

/// Which of k3s's two units a node has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// `k3s.service`.
    Server,
    /// `k3s-agent.service`.
    Agent,
}

impl Unit {
    /// The unit's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Server => "k3s.service",
            Self::Agent => "k3s-agent.service",
        }
    }

    pub(crate) fn path(self) -> String {
        format!("/etc/systemd/system/{}", self.name())
    }

    pub(crate) fn drop_in(self) -> String {
        format!("/etc/systemd/system/{}.d/10-airlab.conf", self.name())
    }

    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::Server => include_str!("../../../guest/k3s.service"),
            Self::Agent => include_str!("../../../guest/k3s-agent.service"),
        }
    }
}

/// What systemd says about the unit, as observed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Service {
    /// `active`, `activating`, `inactive`, `failed`, ...
    pub active: String,
    /// Whether it starts with the machine.
    pub enabled: bool,
    /// How often systemd started it again by itself.
    pub restarts: u32,
    /// Files that are newer than the running process, which has read older ones.
    pub newer: Vec<String>,
    /// systemd has not read the unit's newest text.
    pub needs_reload: bool,
    /// Last line of its journal.
    pub journal: String,
}

impl Service {
    /// Looks, in one round trip. `read_at_start` are the files whose change asks for a restart.
    pub async fn look(exec: &dyn Exec, unit: Unit, read_at_start: &[String]) -> Result<Self, ExecError> {
        let list: String = read_at_start.iter().map(|path| format!("{path}\n")).collect();
        let cmd = Cmd::new("sh").args([LOOK, unit.name()]).as_root().stdin(list);
        Ok(Self::parse(&exec.run_ok(&cmd).await?.text()))
    }

    fn parse(text: &str) -> Self {
        let mut service = Self::default();
        for (key, value) in text.lines().filter_map(|line| line.split_once('=')) {
            match key {
                "ActiveState" => service.active = value.to_owned(),
                "UnitFileState" => service.enabled = value == "enabled",
                "NRestarts" => service.restarts = value.parse().unwrap_or(0),
                "NeedDaemonReload" => service.needs_reload = value == "yes",
                "Newer" => service.newer.push(value.to_owned()),
                "Journal" => service.journal = value.trim().to_owned(),
                _ => {}
            }
        }
        service
    }

    /// Whether it runs.
    pub fn is_active(&self) -> bool {
        self.active == "active"
    }
}

/// Stops k3s and ends the pods on a node whose machine stays on; false where it did not run. It starts again with the
/// machine, or by [`switch_on`].
pub async fn switch_off(exec: &dyn Exec) -> Result<bool, ExecError> {
    let cmd = Cmd::new("sh").arg("-s").as_root().stdin(END).timeout(Duration::from_secs(180));
    Ok(!exec.run_ok(&cmd).await?.text().is_empty())
}

/// Starts k3s that was provisioned on a node; false where it ran. Whether it comes up is seen by the cluster.
pub async fn switch_on(exec: &dyn Exec, unit: Unit) -> Result<bool, ExecError> {
    const ON: &str = "systemctl is-active --quiet \"$1\" || { systemctl start --no-block \"$1\" && echo started; }";
    Ok(!exec.run_ok(&Cmd::new("sh").args(["-c", ON, "sh", unit.name()]).as_root()).await?.text().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_guest_script_says_is_understood() {
        let text = "LoadState=loaded\nActiveState=activating\nSubState=auto-restart\nUnitFileState=enabled\nNRestarts=3\n\
                    NeedDaemonReload=no\nNewer=/etc/rancher/k3s/config.yaml\nJournal=level=fatal msg=\"a=b\" ";
        let service = Service::parse(text);
        assert_eq!(service.restarts, 3);
        assert!(service.enabled && !service.is_active() && !service.needs_reload);
        assert_eq!(service.newer, ["/etc/rancher/k3s/config.yaml"]);
        assert_eq!(service.journal, "level=fatal msg=\"a=b\"");
    }
}
