//! Verbs that run vmrun.

use std::path::PathBuf;

use futures_util::future::join_all;
use serde_json::json;
use vmware::discover;
use vmware::vmrun::{Gate, Vmrun};

use crate::{Ended, Ui, exit};

/// Which vmrun.
#[derive(Debug, clap::Args)]
pub(super) struct Program {
    /// The vmrun program; Workstation's own where it is installed
    #[arg(long, env = "AIRLAB_VMRUN", value_name = "VMRUN")]
    program: Option<String>,
}

impl Program {
    pub(super) fn name(&self) -> String {
        let installed = || discover::workstation().map(|found| found.vmrun.display().to_string());
        self.program.clone().or_else(installed).unwrap_or_else(|| "vmrun".into())
    }

    fn vmrun(&self) -> Vmrun {
        Vmrun::new(self.name())
    }
}

#[derive(Debug, clap::Subcommand)]
pub(super) enum Verb {
    /// Say where Workstation is, and what its VMnet1 looks like; exit code 3 where it is not installed
    Find,
    /// List the machines that are on
    List {
        #[command(flatten)]
        program: Program,
    },
    /// Start machines that are off
    Start {
        #[command(flatten)]
        many: Many,
    },
    /// Stop machines that are on: softly, then hard
    Stop {
        #[command(flatten)]
        many: Many,
    },
    /// List a machine's snapshots
    Snapshots {
        #[command(flatten)]
        program: Program,
        vmx: PathBuf,
    },
    /// Take a snapshot of this name where there is none
    Snapshot {
        #[command(flatten)]
        program: Program,
        vmx: PathBuf,
        name: String,
    },
    /// Go back to a snapshot
    Revert {
        #[command(flatten)]
        program: Program,
        vmx: PathBuf,
        name: String,
    },
    /// Make a linked clone of a machine at a snapshot, where it is not there yet
    Clone {
        #[command(flatten)]
        program: Program,
        vmx: PathBuf,
        snapshot: String,
        target: PathBuf,
        name: String,
    },
    /// Stop a machine and delete its files
    Delete {
        #[command(flatten)]
        program: Program,
        vmx: PathBuf,
    },
}

/// Several machines at once.
#[derive(Debug, clap::Args)]
pub(super) struct Many {
    #[command(flatten)]
    program: Program,
    /// How many calls of vmrun at a time
    #[arg(long, default_value_t = Gate::default().parallel(), value_name = "N")]
    parallel: usize,
    /// The machines
    #[arg(required = true)]
    vmx: Vec<PathBuf>,
}

impl Many {
    fn vmrun(&self) -> Vmrun {
        Vmrun { gate: Gate::new(self.parallel), ..self.program.vmrun() }
    }
}

pub(super) async fn run(ui: &Ui, verb: Verb) -> Ended {
    match verb {
        Verb::Find => find(ui),
        Verb::List { program } => {
            let on = program.vmrun().all_running().await?;
            ui.result(&on, |on| on.iter().map(|vmx| format!("{}\n", vmx.display())).collect())?;
            Ok(exit::OK)
        }
        Verb::Start { many } => {
            let started = many.vmrun().ensure_all_running(&many.vmx).await?;
            let rest = many.vmx.len() - started.len();
            ui.result(&json!({ "started": started }), |_| format!("{} started, {rest} ran already", started.len()))?;
            Ok(exit::OK)
        }
        Verb::Stop { many } => {
            let vmrun = many.vmrun();
            let ended = join_all(many.vmx.iter().map(|vmx| vmrun.ensure_stopped(vmx))).await;
            let changed = ended.into_iter().collect::<Result<Vec<bool>, _>>()?;
            let stopped: Vec<&PathBuf> = many.vmx.iter().zip(changed).filter(|(_, c)| *c).map(|(vmx, _)| vmx).collect();
            let rest = many.vmx.len() - stopped.len();
            ui.result(&json!({ "stopped": stopped }), |_| format!("{} stopped, {rest} were off", stopped.len()))?;
            Ok(exit::OK)
        }
        Verb::Snapshots { program, vmx } => {
            let all = program.vmrun().snapshots(&vmx).await?;
            let value: Vec<_> = all.iter().map(|s| json!({ "name": s.name, "depth": s.depth })).collect();
            ui.result(&value, |_| all.iter().map(|s| format!("{}{}\n", "  ".repeat(s.depth), s.name)).collect())?;
            Ok(exit::OK)
        }
        Verb::Snapshot { program, vmx, name } => {
            changed(ui, program.vmrun().ensure_snapshot(&vmx, &name).await?, "taken", "there already")
        }
        Verb::Revert { program, vmx, name } => {
            program.vmrun().revert(&vmx, &name).await?;
            changed(ui, true, "reverted", "")
        }
        Verb::Clone { program, vmx, snapshot, target, name } => {
            let made = program.vmrun().ensure_clone(&vmx, &snapshot, &target, &name).await?;
            changed(ui, made, "cloned", "there already")
        }
        Verb::Delete { program, vmx } => {
            changed(ui, program.vmrun().ensure_deleted(&vmx).await?, "deleted", "not there")
        }
    }
}

fn changed(ui: &Ui, changed: bool, yes: &str, no: &str) -> Ended {
    ui.result(&json!({ "changed": changed }), |_| if changed { yes } else { no }.to_owned())?;
    Ok(exit::OK)
}

fn find(ui: &Ui) -> Ended {
    let found = discover::workstation();
    let net = discover::host_only(1);
    let version = found.as_ref().and_then(|f| f.version.as_ref()).map(ToString::to_string);
    let value = json!({
        "vmrun": found.as_ref().map(|f| &f.vmrun),
        "folder": found.as_ref().map(|f| &f.folder),
        "version": version,
        "vmnet1": net.as_ref().map(|n| json!({
            "subnet": n.subnet.map(|(net, _)| net), "mask": n.subnet.map(|(_, mask)| mask), "host": n.host, "dhcp": n.dhcp,
        })),
    });
    ui.result(&value, |_| {
        let program = found.as_ref().map_or("VMware Workstation is not installed".to_owned(), |f| {
            format!("{} (version {})", f.vmrun.display(), version.as_deref().unwrap_or("not known"))
        });
        let host = net.as_ref().and_then(|n| n.host).map_or("no address known".to_owned(), |a| a.to_string());
        format!("vmrun   {program}\nVMnet1  {host}")
    })?;
    Ok(if found.is_some() { exit::OK } else { exit::NO })
}
