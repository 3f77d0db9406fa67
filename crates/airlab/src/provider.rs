//! The program that answers to vmrun's language, and the facts it tells about itself.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use lab::{Lab, Layout, Mode, Provider as Kind};
use machine::{Cmd, Local};
use serde::{Deserialize, Serialize};
use vmware::vmrun::{Gate, Vmrun};

use crate::{AirlabError, Failure};

/// Whose clock the nodes have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClockOwner {
    /// The host's: there is nothing to set in a node.
    Host,
    /// Each node its own.
    Own,
}

/// What airlab may know about how nodes are run. Nothing else is asked, and no name of an engine is looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// Whose clock the nodes have.
    pub clock: ClockOwner,
    /// What a success on these nodes proves, in one sentence.
    pub evidence: String,
    /// What a person should know before the first start.
    #[serde(default)]
    pub warnings: Vec<String>,
    /// Words to put before a command so that it runs inside the lab's network; none where the host is in it.
    #[serde(default)]
    pub enter: Vec<String>,
    /// Where the outside reaches an address of the lab's network, `192.168.6.10:6443` -> `127.0.0.1:40123`.
    #[serde(default)]
    pub reach: BTreeMap<String, String>,
    /// The provider's own log of every call.
    #[serde(default)]
    pub log: Option<PathBuf>,
}

impl Facts {
    /// Where the outside reaches this address of the lab's network: the address itself where the host is in it.
    pub fn reached_at(&self, address: &str) -> String {
        self.reach.get(address).cloned().unwrap_or_else(|| address.to_owned())
    }

    /// What holds with VMware: the host is in the network, the nodes are whole machines.
    pub fn vmware() -> Self {
        Self {
            clock: ClockOwner::Own,
            evidence: "VMware virtual machines".into(),
            warnings: Vec::new(),
            enter: Vec::new(),
            reach: BTreeMap::new(),
            log: None,
        }
    }
}

/// How to call the provider.
#[derive(Debug, Clone)]
pub struct Provider {
    kind: Kind,
    vmrun: Vmrun,
}

/// Names the vmrun program where it is not the one VMware Workstation brings along.
const PROGRAM: &str = "AIRLAB_VMRUN";

impl Provider {
    /// The provider of a lab. `beside` is the folder of the running program, where its siblings are; `engine` is a
    /// word for the provider that airlab only hands on.
    pub fn of(lab: &Lab, files: &Layout, beside: &Path, engine: Option<&str>) -> Self {
        let named = || std::env::var(PROGRAM).ok().filter(|name| !name.is_empty());
        let installed = || vmware::discover::workstation().map(|found| found.vmrun.display().to_string());
        let program = match (&lab.vm.program, lab.vm.provider) {
            (Some(program), _) => program.display().to_string(),
            (None, Kind::Vmware) => named().or_else(installed).unwrap_or_else(|| "vmrun".into()),
            (None, Kind::Qvmrun) => {
                beside.join(format!("qvmrun{}", std::env::consts::EXE_SUFFIX)).display().to_string()
            }
        };
        let mut vmrun = Vmrun { gate: Gate::new(lab.vm.parallel), ..Vmrun::new(program) };
        if lab.vm.provider == Kind::Qvmrun {
            vmrun.env.push(("QVMRUN_HOME".into(), files.provider().display().to_string()));
            if let Some(engine) = engine {
                vmrun.env.push(("QVMRUN_ENGINE".into(), engine.into()));
            }
        }
        Self { kind: lab.vm.provider, vmrun }
    }

    /// The runner of vmrun commands. All of them share one gate: one call at a time for each machine.
    pub fn vmrun(&self) -> Vmrun {
        self.vmrun.clone()
    }

    fn program(&self) -> String {
        self.vmrun.program.concat()
    }

    /// A raw call, for `airlab vmrun`.
    pub fn command(&self, args: &[String]) -> Cmd {
        let cmd = Cmd::new(self.program()).args(args).timeout(Duration::from_secs(3600));
        self.vmrun.env.iter().fold(cmd, |cmd, (key, value)| cmd.env(key, value))
    }

    /// The addresses of the lab's network that the outside must reach: SSH on every node, API and console.
    pub fn outside_needs(lab: &Lab) -> Vec<String> {
        let server = lab.first_server().address;
        let ssh = lab.nodes.iter().map(|n| format!("{}:{}", n.address, n.ssh_port()));
        ssh.chain([format!("{server}:6443"), format!("{server}:30880")]).collect()
    }

    /// The words that bring the lab's network up, or nothing where it is there already (VMware's own adapter).
    pub fn network_up(&self, lab: &Lab) -> Option<Vec<String>> {
        if self.kind == Kind::Vmware {
            return None;
        }
        let cidr = lab.network.cidr;
        let mode = if lab.network.mode == Mode::Bridge { "bridge" } else { "namespace" };
        let mut args = vec!["net".into(), "up".into(), format!("{}/{}", cidr.host(), cidr.prefix())];
        args.extend(["--mode".into(), mode.into()]);
        args.extend(Self::outside_needs(lab).into_iter().flat_map(|a| ["--forward".into(), a]));
        Some(args)
    }

    /// Brings the lab's network up where it is not, and asks for the facts.
    pub fn ensure_network(&self, lab: &Lab) -> Result<Facts, Failure> {
        match self.network_up(lab) {
            None => Ok(Facts::vmware()),
            Some(args) => self.facts(&args),
        }
    }

    /// The facts as they are now, changing nothing; `None` where the network is down.
    pub fn seen(&self) -> Option<Facts> {
        match self.kind {
            Kind::Vmware => Some(Facts::vmware()),
            Kind::Qvmrun => self.facts(&["net".into(), "show".into()]).ok(),
        }
    }

    /// Takes the lab's network down, where it is airlab's own.
    pub fn network_down(&self) -> Result<(), Failure> {
        if self.kind == Kind::Qvmrun {
            Local.run_ok(&self.command(&["net".into(), "down".into()]))?;
        }
        Ok(())
    }

    fn facts(&self, args: &[String]) -> Result<Facts, Failure> {
        let out = Local.run_ok(&self.command(args).timeout(Duration::from_secs(60)))?;
        serde_json::from_slice(&out.stdout)
            .map_err(|e| AirlabError::Facts { program: self.program(), detail: e.to_string() }.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lab_says_how_many_calls_run_at_once() {
        let calls = |text: &str| {
            let lab = Lab::parse(Path::new("airlab.toml"), text).unwrap();
            let files = Layout::of(&lab, Path::new("/srv/.airlab"));
            Provider::of(&lab, &files, Path::new("/bin"), None).vmrun().gate.parallel()
        };
        assert_eq!(calls(lab::DEMO), Gate::default().parallel());
        assert_eq!(calls(&lab::DEMO.replace("disk_gib", "parallel = 2\ndisk_gib")), 2);
    }
}
