//! `airlab config`.

use clap::Subcommand;

use super::lab_args::LabArgs;
use crate::exit;
use crate::tool::Ended;

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Every value of the lab, defaults included
    Show {
        #[command(flatten)]
        lab: LabArgs,
    },
    /// A commented lab file to start from
    Sample {
        /// The demo lab instead of the desktop one
        #[arg(long)]
        demo: bool,
    },
}

pub(super) fn run(ui: &crate::Ui, verb: &Verb) -> Ended {
    match verb {
        Verb::Show { lab } => {
            let context = lab.context()?;
            ui.result(&context.lab, |lab| toml::to_string_pretty(lab).unwrap_or_else(|e| e.to_string()))?;
        }
        Verb::Sample { demo } => {
            ui.result_bytes(if *demo { lab::DEMO } else { lab::DESKTOP }.as_bytes())?;
        }
    }
    Ok(exit::OK)
}
