//! Verbs that change a node of a running cluster.

use std::path::PathBuf;
use std::time::Duration;

use k3s_bootstrap::{Expected, Removal, Unit, remove_node, upgrade_node};
use machine::{Exec, RemoteFile};
use steps::Sink;

use super::Api;
use crate::node::NodeArgs;
use crate::{Ended, Failure, Ui, exit};

#[derive(Debug, clap::Args)]
struct How {
    /// Seconds that all pods together may take to go; disruption budgets are asked again until then
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    deadline: u64,
    /// Also pods that nothing would start again elsewhere
    #[arg(long)]
    force: bool,
}

impl How {
    fn drain(&self) -> k3s_bootstrap::Drain {
        k3s_bootstrap::Drain { deadline: Duration::from_secs(self.deadline), force: self.force }
    }
}

#[derive(Debug, clap::Args)]
pub(super) struct Drain {
    #[command(flatten)]
    api: Api,
    /// The node
    node: String,
    #[command(flatten)]
    how: How,
}

impl Drain {
    pub(super) async fn run(&self, ui: &Ui) -> Ended {
        let drained = self.api.cluster().await?.drain(&self.node, &self.how.drain(), ui as &dyn Sink).await?;
        let text = format!("{}: {} pods evicted\n", self.node, drained.evicted.len());
        ui.result(&drained, |_| text)?;
        Ok(exit::OK)
    }
}

#[derive(Debug, clap::Args)]
pub(super) struct Remove {
    #[command(flatten)]
    api: Api,
    /// The node
    node: String,
    #[command(flatten)]
    how: How,
    /// Its machine, where that can be reached; k3s is then taken off it
    #[command(flatten)]
    machine: Option<NodeArgs>,
}

impl Remove {
    pub(super) async fn run(&self, ui: &Ui) -> Ended {
        let ssh = match &self.machine {
            Some(machine) => Some(machine.connect().await?),
            None => None,
        };
        let exec = ssh.as_ref().map(|ssh| ssh as &dyn Exec);
        let how = Removal { drain: self.how.drain(), despite_pods: self.how.force, uninstall: true };
        let cluster = self.api.cluster().await?;
        let removed = remove_node(&cluster, exec, &self.node, &how, ui as &dyn Sink).await?;
        ui.result(&removed, |_| format!("{} is out of the cluster\n", self.node))?;
        Ok(exit::OK)
    }
}

#[derive(Debug, clap::Args)]
pub(super) struct Upgrade {
    #[command(flatten)]
    api: Api,
    /// The node's name in the cluster
    node: String,
    /// The new k3s program
    #[arg(long, value_name = "FILE")]
    k3s: PathBuf,
    /// Its air-gap images, which are put beside the old ones under their own name
    #[arg(long, value_name = "FILE")]
    airgap: Option<PathBuf>,
    /// The node is an agent: its pods go elsewhere first
    #[arg(long)]
    agent: bool,
    #[command(flatten)]
    how: How,
    #[command(flatten)]
    machine: NodeArgs,
}

impl Upgrade {
    pub(super) async fn run(&self, ui: &Ui) -> Ended {
        let ssh = self.machine.connect().await?;
        let cluster = self.api.cluster().await?;
        let files = super::make::programs(&self.k3s, self.airgap.as_deref())?;
        let unit = if self.agent { Unit::Agent } else { Unit::Server };
        let nodes = cluster.nodes().await?;
        let ip = nodes.iter().find(|n| n.name == self.node).and_then(|n| n.internal_ip.parse().ok());
        let Some(ip) = ip else {
            return Err(Failure::system(
                format!("looking for {} in the cluster", self.node),
                std::io::Error::from(std::io::ErrorKind::NotFound),
            ));
        };
        let mut node = k3s_bootstrap::Node::new(&self.node, ip);
        node.files = files;
        // configuration and unit stay as they are: only what is given here is new
        let files: Vec<RemoteFile> = node.files.clone();
        let gate = Expected { nodes: nodes.into_iter().map(|n| n.name).collect(), ..Expected::default() };
        let how = k3s_bootstrap::Upgrade { drain: self.how.drain(), ..k3s_bootstrap::Upgrade::new(gate) };
        let done = upgrade_node(&cluster, &ssh, &node, unit, &files, &how, ui as &dyn Sink).await?;
        let answer = serde_json::json!({ "node": self.node, "version": done.version, "changed": done.report.changed });
        ui.result(&answer, |_| format!("{} runs {}\n", self.node, done.version))?;
        Ok(exit::OK)
    }
}
