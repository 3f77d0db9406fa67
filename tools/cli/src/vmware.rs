//! The command line of `vmware`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use machine::{Cmd, Exec, Local};
use vmware::{DiskFormat, Vmdk, Vmx};

use crate::{Ended, Tool, Ui, exit};

/// How long VMware may take to let go of a .vmx.
const PATIENCE: Duration = Duration::from_secs(120);
/// How long vmrun may take.
const LONGEST: Duration = Duration::from_secs(3600);

#[derive(Debug, clap::Parser)]
#[command(about = "Read and change .vmx files, make virtual disks, run vmrun")]
struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Configuration of a machine
    #[command(subcommand)]
    Vmx(OnVmx),
    /// Virtual disks
    #[command(subcommand)]
    Vmdk(OnVmdk),
    /// Run vmrun with these words; its answer and exit code are passed on
    Run {
        /// The program
        #[arg(long, env = "AIRLAB_VMRUN", default_value = "vmrun")]
        program: String,
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
        words: Vec<String>,
    },
}

#[derive(Debug, clap::Subcommand)]
enum OnVmx {
    /// Print all keys and values
    Show { vmx: PathBuf },
    /// Print one value
    Get { vmx: PathBuf, key: String },
    /// Change one value; everything else stays byte for byte
    Set { vmx: PathBuf, key: String, value: String },
}

#[derive(Debug, clap::Subcommand)]
enum OnVmdk {
    /// Create an empty disk
    Create {
        vmdk: PathBuf,
        /// Size in GiB
        #[arg(long)]
        gib: u64,
        /// A raw file beside a descriptor, instead of one file that grows
        #[arg(long)]
        flat: bool,
    },
    /// Say what a disk is
    Info { vmdk: PathBuf },
}

/// Runs the program.
pub fn main() -> ExitCode {
    Tool::new("vmware").run(|ui, args: Args| async move {
        match args.verb {
            Verb::Vmx(verb) => on_vmx(&ui, verb).await,
            Verb::Vmdk(verb) => on_vmdk(&ui, verb),
            Verb::Run { program, words } => {
                let out = Exec::run(&Local, &Cmd::new(program).args(words).timeout(LONGEST)).await?;
                ui.result_bytes(&out.stdout)?;
                Ok(u8::try_from(out.code).unwrap_or(u8::MAX))
            }
        }
    })
}

async fn on_vmx(ui: &Ui, verb: OnVmx) -> Ended {
    match verb {
        OnVmx::Show { vmx } => {
            let vmx = Vmx::load(&vmx)?;
            let all: std::collections::BTreeMap<&str, &str> = vmx.entries().collect();
            ui.result(&all, |_| vmx.render().trim_end().to_owned())?;
            Ok(exit::OK)
        }
        OnVmx::Get { vmx, key } => {
            let vmx = Vmx::load(&vmx)?;
            let value = vmx.get(&key);
            ui.result(&value, |v| v.unwrap_or_default().to_owned())?;
            Ok(if value.is_some() { exit::OK } else { exit::NO })
        }
        OnVmx::Set { vmx, key, value } => {
            let changed = vmware::edit(&vmx, PATIENCE, |v| v.set(&key, &value)).await?;
            let said = if changed { "changed" } else { "unchanged" };
            ui.result(&serde_json::json!({ "changed": changed }), |_| format!("{}: {said}", vmx.display()))?;
            Ok(exit::OK)
        }
    }
}

fn on_vmdk(ui: &Ui, verb: OnVmdk) -> Ended {
    let path = match verb {
        OnVmdk::Create { vmdk, gib, flat } => {
            let format = if flat { DiskFormat::Flat } else { DiskFormat::Sparse };
            Vmdk::new(gib.saturating_mul(1 << 30), format).create(&vmdk)?;
            vmdk
        }
        OnVmdk::Info { vmdk } => vmdk,
    };
    let (disk, blank) = (Vmdk::open(&path)?, vmware::is_blank(&path)?);
    let format = if disk.format == DiskFormat::Flat { "flat" } else { "sparse" };
    let value = serde_json::json!({
        "capacity_bytes": disk.capacity_bytes, "format": format, "extent": disk.extent, "blank": blank,
    });
    ui.result(&value, |_| {
        let state = if blank { "blank" } else { "in use" };
        format!(
            "{}: {} bytes, {format}, {state}, data in {}",
            path.display(),
            disk.capacity_bytes,
            disk.extent.display()
        )
    })?;
    Ok(exit::OK)
}
