//! The command line of `k3s-bootstrap`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use k3s_bootstrap::{Cluster, NodeStatus};
use steps::Silent;

use crate::node::NodeArgs;
use crate::{Ended, Failure, Tool, Ui, exit, table};

#[derive(Debug, clap::Parser)]
#[command(about = "Look at a k3s cluster and its nodes")]
struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
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
    /// Print the administrator's kubeconfig of a server
    Kubeconfig(NodeArgs),
    /// Take k3s and everything of it off a node
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
