//! The command line of `airlab`.

mod artifacts;
mod bundle;
mod config;
mod etcd;
mod host;
pub(crate) mod lab_args;
pub(crate) mod network;
mod node;
mod provision;
mod sources;
mod switch;
mod talk;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::tool::{Ended, Tool};

use lab_args::{LabArgs, Real};

/// An air-gapped Kubernetes lab on a desktop, from bare host to a Ready cluster.
#[derive(Debug, Parser)]
#[command(after_help = "Examples:
  airlab provision --plan               what would be done, in order
  airlab provision --until machines     only so far; the next run goes on from there
  airlab provision                      the lab of ./airlab.toml, or the built-in demo
  airlab bundle create lab-1 --key my.key --to /media/stick
  airlab provision --bundle /media/stick --trust my.key.pub
  airlab status --output json           nodes, what the cluster shows, registry, clocks
  airlab down; airlab up                the whole lab off and on again, in order
  airlab ssh master -- sudo k3s kubectl get nodes
  airlab destroy --yes                  everything it made, nothing else")]
struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Bring the lab up, or go on where an earlier run stopped
    Provision {
        #[command(flatten)]
        lab: LabArgs,
        #[command(flatten)]
        real: Real,
        /// Print what would be done, in order, and change nothing
        #[arg(long)]
        plan: bool,
        /// End well after this step instead of going on to Ready
        #[arg(long, value_name = "STEP", value_parser = clap::builder::PossibleValuesParser::new(airlab::STEPS))]
        #[arg(hide_possible_values = true)]
        until: Option<String>,
        /// Ask nothing
        #[arg(long, short)]
        yes: bool,
    },
    /// Say how nodes, registry and clocks are; exit code 70 when something is wrong
    Status {
        #[command(flatten)]
        lab: LabArgs,
        /// Run no pods: what needs them is not looked at
        #[arg(long)]
        quick: bool,
    },
    /// Switch a provisioned lab on, also after the desktop was restarted: registry, servers, clocks, agents, Ready
    Up {
        #[command(flatten)]
        lab: LabArgs,
    },
    /// Switch the whole lab off, agents first; disks and keys stay
    Down {
        #[command(flatten)]
        lab: LabArgs,
    },
    /// Add, remove, rebuild and drain nodes
    Node {
        #[command(subcommand)]
        verb: node::Verb,
    },
    /// Save the cluster's datastore, list what was saved, and go back to it
    Etcd {
        #[command(subcommand)]
        verb: etcd::Verb,
    },
    /// Remove the lab: machines, network, registry, keys, its kubeconfig entries
    Destroy {
        #[command(flatten)]
        lab: LabArgs,
        /// Do not ask for the lab's name
        #[arg(long, short)]
        yes: bool,
    },
    /// Log in to a node, or run a command there
    Ssh {
        /// The node
        node: String,
        #[command(flatten)]
        lab: LabArgs,
        /// The command; a login shell without one
        #[arg(last = true)]
        command: Vec<String>,
    },
    /// Run a program of this host inside the lab's network
    Run {
        #[command(flatten)]
        lab: LabArgs,
        /// The program and its arguments
        #[arg(last = true, required = true)]
        command: Vec<String>,
    },
    /// Call the lab's provider in vmrun's language
    Vmrun {
        #[command(flatten)]
        lab: LabArgs,
        /// vmrun's own arguments, such as `list`
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
        arguments: Vec<String>,
    },
    /// Pin, fetch and check the files from outside
    #[command(subcommand)]
    Artifacts(artifacts::Verb),
    /// Everything a lab needs in a few files: make, verify, compare, import
    Bundle {
        #[command(subcommand)]
        verb: bundle::Verb,
    },
    /// Show the lab file's values, or a sample to start from
    Config {
        #[command(subcommand)]
        verb: config::Verb,
    },
}

/// Runs the program.
pub fn main() -> ExitCode {
    Tool::new("airlab").run(|ui, args: Args| async move { run(&ui, args.verb).await })
}

async fn run(ui: &std::sync::Arc<crate::Ui>, verb: Verb) -> Ended {
    match verb {
        Verb::Provision { lab, real, plan: true, .. } => provision::plan(ui, &lab, &real),
        Verb::Provision { lab, real, until, plan: false, yes: _ } => {
            provision::provision(ui, &lab, &real, until.as_deref()).await
        }
        Verb::Status { lab, quick } => provision::status(ui, &lab, quick).await,
        Verb::Up { lab } => switch::up(ui, &lab).await,
        Verb::Down { lab } => switch::down(ui, &lab).await,
        Verb::Node { verb } => node::run(ui, verb).await,
        Verb::Etcd { verb } => etcd::run(ui, verb).await,
        Verb::Destroy { lab, yes } => provision::destroy(ui, &lab, yes).await,
        Verb::Ssh { node, lab, command } => talk::ssh(&lab, &node, &command),
        Verb::Run { lab, command } => talk::run(&lab, &command),
        Verb::Vmrun { lab, arguments } => talk::vmrun(&lab, &arguments),
        Verb::Artifacts(verb) => artifacts::run(ui, verb).await,
        Verb::Bundle { verb } => bundle::run(ui, verb).await,
        Verb::Config { verb } => config::run(ui, &verb),
    }
}
