//! The command line of `timesync`.

use std::process::ExitCode;

use timesync::{Clock, Decision, Policy, decide};

use crate::node::NodeArgs;
use crate::{Ended, Tool, Ui, exit};

#[derive(Debug, clap::Parser)]
#[command(about = "Compare a node's clock with the registry's")]
struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Measure the node's clock and change nothing
    Measure(NodeArgs),
    /// Let the node put its clock right
    Sync(NodeArgs),
    /// Say what the node recorded at its last own measurement
    Show(NodeArgs),
}

/// Runs the program.
pub fn main() -> ExitCode {
    Tool::new("timesync").run(|ui, args: Args| async move {
        let clock = match args.verb {
            Verb::Measure(node) => Some(timesync::measure(&node.connect().await?).await?),
            Verb::Sync(node) => Some(timesync::sync(&node.connect().await?).await?),
            Verb::Show(node) => timesync::recorded(&node.connect().await?).await?,
        };
        answer(&ui, clock.as_ref())
    })
}

fn answer(ui: &Ui, clock: Option<&Clock>) -> Ended {
    ui.result(&clock, |clock| match clock {
        None => "nothing measured yet".to_owned(),
        Some(Clock { offset: Some(offset), source, .. }) => format!("{offset} against {source}"),
        Some(Clock { source, state, .. }) => format!("no offset: {source} could not be asked ({state:?})"),
    })?;
    let offset = clock.and_then(|clock| clock.offset);
    let right = offset.is_some_and(|offset| decide(Policy::default(), offset) == Decision::Right);
    Ok(if right { exit::OK } else { exit::NO })
}
