//! `k3s-bootstrap snapshot`.

use k3s_bootstrap::{RestoreFrom, Snapshot, restore, save_snapshot, snapshots};
use machine::Exec;
use steps::Sink;

use crate::node::NodeArgs;
use crate::{Ended, Ui, exit, table};

#[derive(Debug, clap::Subcommand)]
pub(super) enum Verb {
    /// Save the datastore on a server
    Save {
        #[command(flatten)]
        node: NodeArgs,
        /// What the snapshot's name begins with
        #[arg(long, default_value = "on-demand")]
        name: String,
    },
    /// Print a server's snapshots, oldest first
    List(NodeArgs),
    /// Go back to a snapshot in a cluster of one server; `airlab etcd restore` knows all servers of a lab
    Restore {
        #[command(flatten)]
        node: NodeArgs,
        /// The snapshot's whole name
        name: String,
    },
}

pub(super) async fn run(ui: &Ui, verb: Verb) -> Ended {
    match verb {
        Verb::Save { node, name } => {
            let snapshot = save_snapshot(&node.connect().await?, &name).await?;
            ui.result(&snapshot, |snapshot| rows(std::slice::from_ref(snapshot)))?;
        }
        Verb::List(node) => {
            let all = snapshots(&node.connect().await?).await?;
            ui.result(&all, |all| rows(all))?;
        }
        Verb::Restore { node, name } => {
            let ssh = node.connect().await?;
            let servers = [&ssh as &dyn Exec];
            restore(&servers, &[], RestoreFrom { name: &name, holder: 0 }, ui as &dyn Sink).await?;
            ui.result(&serde_json::json!({ "restored": name }), |_| format!("restored {name}\n"))?;
        }
    }
    Ok(exit::OK)
}

fn rows(all: &[Snapshot]) -> String {
    let row = |s: &Snapshot| [s.name.clone(), format!("{} KiB", s.bytes >> 10), s.made.to_string()];
    table(&["SNAPSHOT", "SIZE", "SECONDS SINCE 1970"], &all.iter().map(row).collect::<Vec<_>>())
}
