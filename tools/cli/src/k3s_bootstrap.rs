//! The command line of `k3s-bootstrap`.

mod change;
mod make;
mod snapshot;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use k3s_bootstrap::{Certificate, Cluster, Expected, NodeStatus, Unit};
use steps::Silent;

use crate::node::NodeArgs;
use crate::{Ended, Failure, Tool, Ui, exit, table};

#[derive(Debug, clap::Parser)]
#[command(
    about = "k3s on prepared machines: servers, agents, what the cluster shows, upgrades, snapshots, certificates"
)]
#[command(after_help = "Examples:
  k3s-bootstrap status --kubeconfig k.yaml --image docker.io/rancher/mirrored-library-busybox:1.36.1
  k3s-bootstrap drain --kubeconfig k.yaml worker1 --deadline 600
  k3s-bootstrap snapshot save --ssh 192.168.6.10:22 --key id --host-key host.pub --name before
  k3s-bootstrap certs --ssh 192.168.6.10:22 --key id --host-key host.pub")]
struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Make a machine a running server
    Server(make::Server),
    /// Make a machine a running agent
    Agent(make::Agent),
    /// Say what the cluster shows: API, nodes, workloads, and with an image pulls, DNS and traffic between nodes
    Status {
        #[command(flatten)]
        api: Api,
        /// The API of a server, to be asked besides; may be repeated
        #[arg(long, value_name = "https://ADDRESS:6443")]
        server: Vec<String>,
        /// An image in the nodes' registry with sh, httpd, wget and nslookup, to run short-lived pods from
        #[arg(long, value_name = "IMAGE")]
        image: Option<String>,
    },
    /// Print the nodes as the API shows them
    Nodes(Api),
    /// Wait until these nodes are Ready
    Wait {
        #[command(flatten)]
        api: Api,
        /// Names of nodes
        #[arg(required = true)]
        nodes: Vec<String>,
        /// Seconds to wait at the most
        #[arg(long, default_value_t = 300)]
        timeout: u64,
    },
    /// Move a node's pods elsewhere by eviction and keep new ones off
    Drain(change::Drain),
    /// Let pods on a node again
    Uncordon {
        #[command(flatten)]
        api: Api,
        /// The node
        node: String,
    },
    /// Drain a node, take it out of the cluster, and k3s off its machine
    Remove(change::Remove),
    /// Another release of k3s on one node: drained, restarted, waited for
    Upgrade(change::Upgrade),
    /// Save the datastore, list what was saved, and go back to it
    Snapshot {
        #[command(subcommand)]
        verb: snapshot::Verb,
    },
    /// Print when the certificates on a node end, or make new ones
    Certs {
        #[command(flatten)]
        node: NodeArgs,
        /// Make new ones; k3s is stopped meanwhile
        #[arg(long)]
        rotate: bool,
        /// The machine is an agent
        #[arg(long, requires = "rotate")]
        agent: bool,
    },
    /// Print the administrator's kubeconfig of a server
    Kubeconfig(NodeArgs),
    /// Take k3s and everything of it off a machine
    Uninstall(NodeArgs),
}

#[derive(Debug, clap::Args)]
struct Api {
    /// Kubeconfig whose current context is used
    #[arg(long, value_name = "FILE", env = "KUBECONFIG")]
    kubeconfig: PathBuf,
}

impl Api {
    async fn cluster(&self) -> Result<Cluster, Failure> {
        let text = std::fs::read_to_string(&self.kubeconfig)
            .map_err(|e| Failure::system(format!("reading {}", self.kubeconfig.display()), e))?;
        Ok(Cluster::new(&text.into()).await?)
    }
}

/// Runs the program.
pub fn main() -> ExitCode {
    Tool::new("k3s-bootstrap").run(|ui, args: Args| async move {
        match args.verb {
            Verb::Server(server) => server.run(&ui).await,
            Verb::Agent(agent) => agent.run(&ui).await,
            Verb::Status { api, server, image } => status(&ui, &api, server, image).await,
            Verb::Drain(drain) => drain.run(&ui).await,
            Verb::Uncordon { api, node } => {
                let changed = api.cluster().await?.cordon(&node, false).await?;
                ui.result(&serde_json::json!({ "node": node, "changed": changed }), |_| {
                    format!("{node} takes pods\n")
                })?;
                Ok(exit::OK)
            }
            Verb::Remove(remove) => remove.run(&ui).await,
            Verb::Upgrade(upgrade) => upgrade.run(&ui).await,
            Verb::Snapshot { verb } => snapshot::run(&ui, verb).await,
            Verb::Certs { node, rotate, agent } => {
                let ssh = node.connect().await?;
                if rotate {
                    let unit = if agent { Unit::Agent } else { Unit::Server };
                    k3s_bootstrap::rotate_certificates(&ssh, unit).await?;
                }
                let all = k3s_bootstrap::certificates(&ssh).await?;
                ui.result(&all, |all| certificates(all))?;
                Ok(exit::OK)
            }
            Verb::Nodes(api) => show(&ui, &api.cluster().await?.nodes().await?),
            Verb::Wait { api, nodes, timeout } => {
                let cluster = api.cluster().await?;
                show(&ui, &cluster.wait_ready(&nodes, Duration::from_secs(timeout), &Silent).await?)
            }
            Verb::Kubeconfig(node) => {
                let text = k3s_bootstrap::kubeconfig(&node.connect().await?).await?;
                ui.result_bytes(secrecy::ExposeSecret::expose_secret(&text).as_bytes())?;
                Ok(exit::OK)
            }
            Verb::Uninstall(node) => {
                k3s_bootstrap::uninstall(&node.connect().await?).await?;
                ui.result(&serde_json::json!({ "removed": true }), |_| "removed".to_owned())?;
                Ok(exit::OK)
            }
        }
    })
}

async fn status(ui: &Ui, api: &Api, servers: Vec<String>, image: Option<String>) -> Ended {
    let cluster = api.cluster().await?;
    let seen = Expected { servers, ..Expected::default() };
    let nodes = match cluster.answering(&seen).await {
        Some(answering) => answering.nodes().await?.into_iter().map(|n| n.name).collect(),
        None => Vec::new(),
    };
    let conditions = cluster.conditions(&Expected { nodes, image, ..seen }).await;
    ui.result(&conditions, |conditions| crate::conditions::text(conditions))?;
    Ok(if conditions.iter().any(k3s_bootstrap::Condition::is_broken) { exit::CLUSTER } else { exit::OK })
}

fn certificates(all: &[Certificate]) -> String {
    let kind = |c: &Certificate| if c.authority { "authority" } else { "" }.to_owned();
    let rows: Vec<_> =
        all.iter().map(|c| [format!("{} days", c.days), c.subject.clone(), kind(c), c.path.clone()]).collect();
    table(&["ENDS IN", "WHOSE", "", "FILE"], &rows)
}

fn show(ui: &Ui, nodes: &[NodeStatus]) -> Ended {
    let row = |n: &NodeStatus| {
        let ready = if n.ready { "Ready".to_owned() } else { format!("NotReady: {}", n.reason) };
        let memory = format!("{} MiB", n.memory_bytes >> 20);
        [n.name.clone(), ready, n.roles.join(","), n.version.clone(), n.internal_ip.clone(), memory]
    };
    let rows: Vec<_> = nodes.iter().map(row).collect();
    ui.result(&nodes, |_| table(&["NAME", "STATUS", "ROLES", "VERSION", "ADDRESS", "MEMORY"], &rows))?;
    Ok(if nodes.iter().all(|n| n.ready) { exit::OK } else { exit::NO })
}
