//! `airlab etcd`: the datastore's snapshots.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use airlab::Kept;
use clap::Subcommand;
use steps::Sink;

use super::lab_args::{LabArgs, stopped};
use super::network;
use crate::tool::Ended;
use crate::{Ui, conditions, exit, table};

#[derive(Debug, Subcommand)]
#[command(after_help = "Examples:
  airlab etcd save --name before-the-change
  airlab etcd list
  airlab etcd restore before-the-change-master-1764000000")]
pub(super) enum Verb {
    /// Save the datastore on the first server
    Save {
        /// What the snapshot's name begins with
        #[arg(long, default_value = "on-demand")]
        name: String,
        #[command(flatten)]
        lab: LabArgs,
    },
    /// Print the snapshots of all servers, oldest first
    List {
        #[command(flatten)]
        lab: LabArgs,
    },
    /// Go back to a snapshot: what was changed in the cluster since then is gone
    Restore {
        /// The snapshot's whole name
        name: String,
        #[command(flatten)]
        lab: LabArgs,
    },
}

pub(super) async fn run(ui: &Arc<Ui>, verb: Verb) -> Ended {
    match verb {
        Verb::Save { name, lab } => {
            let context = lab.context()?;
            network::within(&context, Some("airlab etcd save"), async |_| {
                let kept = airlab::save(&context, &name).await.map_err(stopped)?;
                ui.result(&kept, |kept| rows(std::slice::from_ref(kept)))?;
                Ok(exit::OK)
            })
            .await
        }
        Verb::List { lab } => {
            let context = lab.context()?;
            network::within(&context, None, async |_| {
                let all = airlab::snapshots(&context).await.map_err(stopped)?;
                ui.result(&all, |all| rows(all))?;
                Ok(exit::OK)
            })
            .await
        }
        Verb::Restore { name, lab } => {
            let context = lab.context()?;
            network::within(&context, Some("airlab etcd restore"), async |_| {
                let shown = airlab::restore(&context, &name, &**ui as &dyn Sink).await.map_err(stopped)?;
                ui.result(&shown, |shown| conditions::text(shown))?;
                Ok(exit::OK)
            })
            .await
        }
    }
}

fn rows(all: &[Kept]) -> String {
    let row = |kept: &Kept| {
        let made = kept.snapshot.made;

        [kept.server.clone(), kept.snapshot.name.clone(), format!("{} KiB", kept.snapshot.bytes >> 10), age(made)]
    };
    table(&["SERVER", "SNAPSHOT", "SIZE", "SAVED"], &all.iter().map(row).collect::<Vec<_>>())
}

/// How long ago that was.
fn age(made: u64) -> String {
    let made = UNIX_EPOCH + Duration::from_secs(made);
    let minutes = SystemTime::now().duration_since(made).map_or(0, |age| age.as_secs() / 60);
    format!("{} h {:02} min ago", minutes / 60, minutes % 60)
}
