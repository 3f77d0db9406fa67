//! `airlab node`: nodes come and go. The lab file says which nodes there are; `add` writes a node into it before it is made,
//! `remove` takes it out when it is gone.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use airlab::Left;
use clap::Subcommand;
use k3s_bootstrap::{Drain, Drained, Removal};
use lab::{Lab, NewNode, Role, SshHost};
use steps::Sink;

use super::lab_args::{LabArgs, Real, stopped};
use super::{network, provision};
use crate::failure::LabFile;
use crate::tool::Ended;
use crate::{Failure, Ui, exit};

#[derive(Debug, Subcommand)]
#[command(after_help = "Examples:
  airlab node add worker3 --address 192.168.6.13 --memory-mib 4096
  airlab node add box --address 192.168.6.50 --user ops --host-key 'ssh-ed25519 AAAAC3Nza...'
                                        a Linux host that is there already
  airlab node remove worker3
  airlab node remove master2 master3    two of three servers; one would leave an even number
  airlab node rebuild worker1           drained, its machine made anew, joined again; what was a
                                        host before is cleared of ours, and joined again
  airlab node rebuild master2 worker1   out of the cluster in turn, made anew side by side
  airlab node drain worker1 --deadline 600")]
pub(super) enum Verb {
    /// Write a node into the lab file and make it, or join a host that is there already; a node that is in the file
    /// already is only made
    Add {
        /// The node's name
        name: String,
        /// Its address; needed where the node is not in the lab file yet
        #[arg(long)]
        address: Option<Ipv4Addr>,
        /// What it is in the cluster
        #[arg(long, value_parser = ["agent", "server"], default_value = "agent")]
        role: String,
        /// Virtual processors
        #[arg(long)]
        cpus: Option<u32>,
        /// Memory in MiB
        #[arg(long)]
        memory_mib: Option<u32>,
        /// Kubernetes label, key=value; may be repeated
        #[arg(long, value_name = "LABEL")]
        label: Vec<String>,
        /// Kubernetes taint, key=value:Effect; may be repeated
        #[arg(long, value_name = "TAINT")]
        taint: Vec<String>,
        #[command(flatten)]
        there: There,
        #[command(flatten)]
        lab: LabArgs,
        #[command(flatten)]
        real: Real,
    },
    /// Drain nodes, take them out of the cluster, delete their machines, and take them out of the lab file
    Remove {
        /// The nodes, in the order in which they leave
        #[arg(required = true)]
        names: Vec<String>,
        #[command(flatten)]
        how: How,
        #[command(flatten)]
        lab: LabArgs,
    },
    /// Remove nodes' machines and make them again: their disks are new, their names and keys are the same; take
    /// everything of ours off an existing host, and join it again
    Rebuild {
        /// The nodes, in the order in which they leave
        #[arg(required = true)]
        names: Vec<String>,
        #[command(flatten)]
        how: How,
        #[command(flatten)]
        lab: LabArgs,
        #[command(flatten)]
        real: Real,
    },
    /// Move a node's pods elsewhere by eviction and keep new ones off
    Drain {
        /// The node
        name: String,
        #[command(flatten)]
        how: How,
        #[command(flatten)]
        lab: LabArgs,
    },
    /// Let pods on a node again
    Uncordon {
        /// The node
        name: String,
        #[command(flatten)]
        lab: LabArgs,
    },
}

/// An existing host, which becomes a node as it is: no machine is made.
#[derive(Debug, clap::Args)]
pub(super) struct There {
    /// For a host that is there already: the line of its /etc/ssh/ssh_host_ed25519_key.pub, read on the host itself
    #[arg(long, value_name = "KEY", conflicts_with_all = ["cpus", "memory_mib"])]
    host_key: Option<String>,
    /// Who logs in there: root, where left out, or somebody with sudo and no password
    #[arg(long, requires = "host_key")]
    user: Option<String>,
    /// The port of its SSH server
    #[arg(long, requires = "host_key")]
    port: Option<u16>,
    /// The private key to log in with; the lab's own where left out
    #[arg(long, value_name = "FILE", requires = "host_key")]
    key: Option<PathBuf>,
}

impl There {
    fn host(self) -> Option<SshHost> {
        let user = self.user.unwrap_or_else(|| "root".into());
        Some(SshHost { port: self.port.unwrap_or(22), user, host_key: self.host_key?, key: self.key })
    }
}

/// How pods are moved.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct How {
    /// Seconds that all pods together may take to go; disruption budgets are asked again until then
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    deadline: u64,
    /// Also pods that nothing would start again elsewhere, and go on where some do not go in time
    #[arg(long)]
    force: bool,
}

impl How {
    fn drain(&self) -> Drain {
        Drain { deadline: Duration::from_secs(self.deadline), force: self.force }
    }

    fn removal(&self) -> Removal {
        Removal { drain: self.drain(), despite_pods: self.force, uninstall: false }
    }
}

/// Nodes to be removed before the lab is brought up again.
pub(super) struct Rebuild {
    pub(super) nodes: Vec<String>,
    pub(super) how: Removal,
}

pub(super) async fn run(ui: &Arc<Ui>, verb: Verb) -> Ended {
    match verb {
        Verb::Add { name, address, role, cpus, memory_mib, label, taint, there, lab, real } => {
            let role = if role == "server" { Role::Server } else { Role::Agent };
            if lab.context()?.lab.node(&name).is_none() {
                let (file, text) = lab.text()?;
                let Some(address) = address else {
                    return Err(LabFile::new(&file, format!("{name} is not in it, and --address is missing")).into());
                };
                let node =
                    NewNode { name, role, address, cpus, memory_mib, labels: label, taints: taint, host: there.host() };
                let new = lab::with_node(&text, &node);
                Lab::parse(&file, &new)?;
                write(&file, &new)?;
                ui.say(&format!("{}: [[node]] {} at {address} added", file.display(), node.name));
            }
            provision::provision(ui, &lab, &real, None).await
        }
        Verb::Remove { names, how, lab } => {
            let (file, text) = lab.text()?;
            let rest = without(&file, &text, &names)?;
            let context = lab.context()?;
            network::within(&context, Some("airlab node remove"), async |_| {
                let sink = &**ui as &dyn Sink;
                let left = airlab::remove(&context, &names, &how.removal(), sink).await.map_err(stopped)?;
                write(&file, &rest)?;
                ui.say(&format!("{}: [[node]] {} removed", file.display(), names.join(", ")));
                ui.result(&left, |left| left.iter().map(left_text).collect())?;
                Ok(exit::OK)
            })
            .await
        }
        Verb::Rebuild { names, how, lab, real } => {
            provision::again(ui, &lab, &real, &Rebuild { nodes: names, how: how.removal() }).await
        }
        Verb::Drain { name, how, lab } => {
            let context = lab.context()?;
            network::within(&context, None, async |_| {
                let drained =
                    airlab::drain(&context, &name, &how.drain(), &**ui as &dyn Sink).await.map_err(stopped)?;
                ui.result(&drained, |drained| drained_text(&name, drained))?;
                Ok(exit::OK)
            })
            .await
        }
        Verb::Uncordon { name, lab } => {
            let context = lab.context()?;
            network::within(&context, None, async |_| {
                let changed = airlab::uncordon(&context, &name).await.map_err(stopped)?;
                ui.result(&serde_json::json!({ "node": name, "changed": changed }), |_| {
                    format!("{name} takes pods\n")
                })?;
                Ok(exit::OK)
            })
            .await
        }
    }
}

/// The lab file's text without these nodes, checked.
fn without(file: &Path, text: &str, names: &[String]) -> Result<String, Failure> {
    let mut rest = text.to_owned();
    for name in names {
        let found = lab::without_node(&rest, name);
        rest = found.ok_or_else(|| LabFile::new(file, format!("no [[node]] of it is named {name}")))?;
    }
    let (before, after) = (Lab::parse(file, text)?, Lab::parse(file, &rest)?);
    let kept: Vec<_> = before.nodes.iter().filter(|n| !names.contains(&n.name)).collect();
    if after.nodes.iter().collect::<Vec<_>>() != kept {
        return Err(LabFile::new(file, "its [[node]] tables are not plain: take the nodes out by hand".into()).into());
    }
    Ok(rest)
}

fn write(file: &Path, text: &str) -> Result<(), Failure> {
    let mode = 0o644;
    machine::write_file(file, text.as_bytes(), mode)?;
    Ok(())
}

fn left_text(left: &Left) -> String {
    let drained = left.drained.as_ref().map_or_else(String::new, |d| drained_text(&left.node, d));
    drained + &left.changes.iter().map(|change| format!("{change}\n")).collect::<String>()
}

fn drained_text(node: &str, drained: &Drained) -> String {
    format!("{node}: {} pods evicted, {} stay by their nature\n", drained.evicted.len(), drained.stayed.len())
}
