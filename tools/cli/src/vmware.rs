//! The command line of `vmware`.

mod disks;
mod files;
mod machines;

use std::process::ExitCode;
use std::time::Duration;

use machine::{Cmd, Exec, Local};

use crate::Tool;

/// How long vmrun may take when it is run by hand.
const LONGEST: Duration = Duration::from_secs(3600);

#[derive(Debug, clap::Parser)]
#[command(
    about = "Run VMware's machines by vmrun, read and change .vmx files, make virtual disks",
    after_help = "Examples:
  vmware find                                    where Workstation is, and its VMnet1
  vmware list --output json                      the machines that are on
  vmware start vms/*/*.vmx --parallel 4          start what is off, four at a time
  vmware snapshot master.vmx ready               take a snapshot of this name, once
  vmware revert master.vmx ready                 go back to it
  vmware clone golden.vmx base w1/w1.vmx w1      a linked clone named w1
  vmware vmx diff old.vmx new.vmx                what differs, key by key"
)]
struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    #[command(flatten)]
    Machines(machines::Verb),
    /// Configuration of a machine
    #[command(subcommand)]
    Vmx(files::Verb),
    /// Virtual disks
    #[command(subcommand)]
    Vmdk(disks::Verb),
    /// Run vmrun with these words; its answer and exit code are passed on
    Run {
        #[command(flatten)]
        program: machines::Program,
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
        words: Vec<String>,
    },
}

/// Runs the program.
pub fn main() -> ExitCode {
    Tool::new("vmware").run(|ui, args: Args| async move {
        match args.verb {
            Verb::Machines(verb) => machines::run(&ui, verb).await,
            Verb::Vmx(verb) => files::run(&ui, verb).await,
            Verb::Vmdk(verb) => disks::run(&ui, verb),
            Verb::Run { program, words } => {
                let out = Exec::run(&Local, &Cmd::new(program.name()).args(words).timeout(LONGEST)).await?;
                ui.result_bytes(&out.stdout)?;
                Ok(u8::try_from(out.code).unwrap_or(u8::MAX))
            }
        }
    })
}
