//! The command line of `kubecfg`.

mod look;

use std::path::PathBuf;
use std::process::ExitCode;

use airlab::{Place, Wsl};
use kubecfg::{Change, Kubeconfig};
use secrecy::ExposeSecret;

use crate::node::NodeArgs;
use crate::{Ended, Failure, Tool, Ui, exit};

#[derive(Debug, clap::Parser)]
#[command(
    about = "Put a cluster into a kubeconfig and take it out again, without touching anything else in it",
    after_help = "Examples:
  kubecfg fetch --ssh 192.168.6.10:22 --key id --host-key host.pub --name demo --server https://192.168.6.10:6443
  kubecfg merge k3s.yaml --name demo --plan      what would become of your kubeconfigs
  kubecfg show                                   contexts, how each logs in, days until its certificate ends
  kubecfg test --context demo                    does it work, and if not, what is in the way
  kubecfg trust --context demo                   other programs of this host trust the cluster's authority
  kubecfg remove demo                            its entries, and nothing else"
)]
struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Put a cluster's own kubeconfig into yours
    Merge {
        /// The cluster's own kubeconfig, such as a copy of k3s.yaml
        cluster: PathBuf,
        #[command(flatten)]
        shape: Shape,
        #[command(flatten)]
        into: Target,
        /// Say what would change, and change nothing
        #[arg(long)]
        plan: bool,
    },
    /// Fetch the administrator's kubeconfig from a server of the cluster, and put it into yours
    Fetch {
        #[command(flatten)]
        node: NodeArgs,
        #[command(flatten)]
        shape: Shape,
        #[command(flatten)]
        into: Target,
        /// Say what would change, and change nothing
        #[arg(long)]
        plan: bool,
    },
    /// Take a cluster out of your kubeconfig
    Remove {
        /// Name of cluster, user and context
        name: String,
        #[command(flatten)]
        from: Target,
    },
    /// Show the contexts of a kubeconfig, and how long their certificates last
    Show(look::Which),
    /// Ask the API as kubectl would; says what is in the way
    Test(look::Which),
    /// Let other programs of this host trust the cluster's authority
    Trust {
        #[command(flatten)]
        which: look::Which,
        /// Let them forget it again
        #[arg(long)]
        remove: bool,
    },
}

/// How the cluster is called and reached.
#[derive(Debug, clap::Args)]
struct Shape {
    /// Name of cluster, user and context; the cluster's own when not given
    #[arg(long)]
    name: Option<String>,
    /// Address of the API, such as https://192.168.6.10:6443
    #[arg(long, value_name = "URL")]
    server: Option<String>,
    /// Do not check who answers at that address; whoever stands in between can then read and change everything
    #[arg(long)]
    insecure: bool,
}

impl Shape {
    fn apply(&self, mut ours: Kubeconfig) -> Kubeconfig {
        if let Some(name) = &self.name {
            ours = ours.renamed(name);
        }
        if let Some(server) = &self.server {
            ours = ours.with_server(server);
        }
        if self.insecure { ours.insecure() } else { ours }
    }
}

#[derive(Debug, clap::Args)]
struct Target {
    /// File to edit; may be given several times. Without it: your own, and on a desktop with WSL the one on its
    /// other side
    #[arg(long, value_name = "FILE")]
    kubeconfig: Vec<PathBuf>,
    /// Also ~/.kube/config in this distribution of WSL
    #[arg(long, value_name = "DISTRIBUTION")]
    wsl: Vec<String>,
}

impl Target {
    fn places(&self) -> Result<Vec<Place>, Failure> {
        let mut places: Vec<Place> = self.kubeconfig.iter().cloned().map(Place::File).collect();
        places.extend(self.wsl.iter().map(|name| Place::Wsl(Wsl::new(name))));
        Ok(if places.is_empty() { airlab::places(own()?) } else { places })
    }
}

/// The user's own kubeconfig.
fn own() -> Result<PathBuf, Failure> {
    let none = || std::io::Error::other("neither KUBECONFIG nor a home");
    airlab::users_own().ok_or_else(|| Failure::system("looking for your kubeconfig", none()))
}

/// Runs the program.
pub fn main() -> ExitCode {
    Tool::new("kubecfg").run(|ui, args: Args| async move {
        match args.verb {
            Verb::Merge { cluster, shape, into, plan } => {
                let ours = shape.apply(Kubeconfig::parse(&kubecfg::read(&cluster)?)?);
                merge(&ui, &ours, &into, plan)
            }
            Verb::Fetch { node, shape, into, plan } => {
                let text = k3s_bootstrap::kubeconfig(&node.connect().await?).await?;
                merge(&ui, &shape.apply(Kubeconfig::parse(text.expose_secret())?), &into, plan)
            }
            Verb::Remove { name, from } => remove(&ui, &name, &from),
            Verb::Show(which) => look::show(&ui, &which),
            Verb::Test(which) => look::test(&ui, &which),
            Verb::Trust { which, remove } => look::trust(&ui, &which, !remove),
        }
    })
}

/// Everything is read and checked before anything is written.
fn merge(ui: &Ui, ours: &Kubeconfig, into: &Target, plan: bool) -> Ended {
    let mut ready = Vec::new();
    for place in into.places()? {
        let (text, report) = kubecfg::merge_into(&place.read()?, ours)?;
        ready.push((place, text, report));
    }
    let mut rows = Vec::new();
    for (place, text, report) in ready {
        let backup = if plan { None } else { place.save(&text)?.backup };
        let what = match report.change {
            Change::Added => "added",
            Change::Updated => "updated",
            Change::Unchanged => "unchanged",
        };
        rows.push(serde_json::json!({
            "place": place.to_string(), "change": what, "changed": !plan && report.change != Change::Unchanged,
            "current": report.is_current, "backup": backup,
        }));
    }
    if ours.is_insecure() {
        ui.say("note: without verification, as you asked: whoever stands in between can read and change everything");
    }
    let value = serde_json::json!({ "name": ours.name(), "server": ours.server(), "places": rows });
    ui.result(&value, |value| {
        let line = |row: &serde_json::Value| {
            let word = |key: &str| row[key].as_str().unwrap_or_default().to_owned();
            let would = if plan { "would be " } else { "" };
            let hint = if row["current"] == true {
                String::new()
            } else {
                format!("; use it with: kubectl --context {}", ours.name())
            };
            let kept = if row["backup"].is_null() { String::new() } else { format!("; before: {}", word("backup")) };
            format!("{}: {would}{} in {}{kept}{hint}", ours.name(), word("change"), word("place"))
        };
        value["places"].as_array().into_iter().flatten().map(line).collect::<Vec<_>>().join("\n")
    })?;
    Ok(exit::OK)
}

fn remove(ui: &Ui, name: &str, from: &Target) -> Ended {
    let mut rows = Vec::new();
    for place in from.places()? {
        let left = kubecfg::remove_from(&place.read()?, name)?;
        let saved = place.save(&left)?;
        rows.push(serde_json::json!({ "place": place.to_string(), "changed": saved.changed, "backup": saved.backup }));
    }
    ui.result(&serde_json::json!({ "name": name, "places": rows }), |value| {
        let line = |row: &serde_json::Value| {
            let said = if row["changed"] == true { "removed from" } else { "was not in" };
            format!("{name}: {said} {}", row["place"].as_str().unwrap_or_default())
        };
        value["places"].as_array().into_iter().flatten().map(line).collect::<Vec<_>>().join("\n")
    })?;
    Ok(exit::OK)
}
