//! The command line of `kubecfg`.

use std::path::PathBuf;
use std::process::ExitCode;

use kubecfg::{Change, Kubeconfig};

use crate::{Ended, Tool, Ui, exit};

#[derive(Debug, clap::Parser)]
#[command(about = "Put a cluster into a kubeconfig and take it out again, without touching anything else in it")]
struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Put a cluster's own kubeconfig into another file
    Merge {
        /// The cluster's own kubeconfig, such as a copy of k3s.yaml
        cluster: PathBuf,
        /// Name of cluster, user and context; the cluster's own when not given
        #[arg(long)]
        name: Option<String>,
        /// Address of the API
        #[arg(long, value_name = "URL")]
        server: Option<String>,
        #[command(flatten)]
        into: Target,
    },
    /// Take a cluster out of a file
    Remove {
        /// Name of cluster, user and context
        name: String,
        #[command(flatten)]
        from: Target,
    },
}

#[derive(Debug, clap::Args)]
struct Target {
    /// File to edit
    #[arg(long, value_name = "FILE")]
    kubeconfig: PathBuf,
}

/// Runs the program.
pub fn main() -> ExitCode {
    Tool::new("kubecfg").run(|ui, args: Args| async move {
        match args.verb {
            Verb::Merge { cluster, name, server, into } => {
                let mut ours = Kubeconfig::parse(&kubecfg::read(&cluster)?)?;
                ours = match name {
                    Some(name) => ours.renamed(&name),
                    None => ours,
                };
                ours = match server {
                    Some(server) => ours.with_server(&server),
                    None => ours,
                };
                merge(&ui, &ours, &into)
            }
            Verb::Remove { name, from } => {
                let text = kubecfg::remove_from(&kubecfg::read(&from.kubeconfig)?, &name)?;
                let saved = kubecfg::save(&from.kubeconfig, &text)?;
                let said = if saved.changed { "removed" } else { "was not there" };
                ui.result(&serde_json::json!({ "changed": saved.changed }), |_| format!("{name}: {said}"))?;
                Ok(exit::OK)
            }
        }
    })
}

fn merge(ui: &Ui, ours: &Kubeconfig, into: &Target) -> Ended {
    let (text, report) = kubecfg::merge_into(&kubecfg::read(&into.kubeconfig)?, ours)?;
    let saved = kubecfg::save(&into.kubeconfig, &text)?;
    let value = serde_json::json!({ "changed": saved.changed, "current": report.is_current, "backup": saved.backup });
    ui.result(&value, |_| {
        let what = match report.change {
            Change::Added => "added",
            Change::Updated => "updated",
            Change::Unchanged => "unchanged",
        };
        let hint = if report.is_current { "" } else { "; use it with: kubectl --context " };
        let name = if report.is_current { "" } else { ours.name() };
        format!("{}: {what} in {}{hint}{name}", ours.name(), into.kubeconfig.display())
    })?;
    Ok(exit::OK)
}
