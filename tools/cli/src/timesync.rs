//! The command line of `timesync`.

use std::process::ExitCode;

use steps::Problem;
use timesync::{Clock, Decision, Policy, State, Whose, decide};

use crate::node::NodeArgs;
use crate::{Catalogue, Ended, Tool, Ui, exit, explain};

#[derive(Debug, clap::Parser)]
#[command(
    about = "Compare a node's clock with the registry's, and put it right",
    after_help = "Examples:
  timesync status --ssh 192.168.6.10:22 --key id --host-key host.pub      offset, whose clock, since when
  timesync sync --ssh ...                                                let the node put it right now
  timesync diagnose --ssh ...                                            why it is off, and what to do"
)]
struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Measure the node's clock and change nothing; exit code 3 when it is not right
    #[command(visible_alias = "measure")]
    Status(NodeArgs),
    /// Let the node put its clock right; k3s is stopped first where a step would harm it
    Sync(NodeArgs),
    /// Say what the node recorded at its last own measurement
    Show(NodeArgs),
    /// Say why the node's clock is off or will be, and what to do
    Diagnose(NodeArgs),
}

/// Runs the program.
pub fn main() -> ExitCode {
    Tool::new("timesync").run(|ui, args: Args| async move {
        let clock = match args.verb {
            Verb::Status(node) => Some(timesync::measure(&node.connect().await?).await?),
            Verb::Sync(node) => Some(timesync::sync(&node.connect().await?).await?),
            Verb::Show(node) => timesync::recorded(&node.connect().await?).await?,
            Verb::Diagnose(node) => {
                let causes = timesync::diagnose(&node.connect().await?, Policy::default()).await?;
                let catalogue = Catalogue::load(ui.language());
                let told: Vec<_> = causes.iter().map(|cause| explain(&catalogue, cause as &dyn Problem)).collect();
                ui.result(&told, |told| match told.is_empty() {
                    true => "nothing is wrong with this node's clock".to_owned(),
                    false => told.iter().map(crate::Explained::human).collect::<Vec<_>>().join("\n"),
                })?;
                return Ok(if causes.is_empty() { exit::OK } else { exit::NO });
            }
        };
        answer(&ui, clock.as_ref())
    })
}

fn answer(ui: &Ui, clock: Option<&Clock>) -> Ended {
    ui.result(&clock, |clock| match clock {
        None => "nothing measured yet".to_owned(),
        Some(clock) => told(clock),
    })?;
    let offset = clock.and_then(|clock| clock.offset);
    let right = offset.is_some_and(|offset| decide(Policy::default(), offset) == Decision::Right);
    Ok(if right { exit::OK } else { exit::NO })
}

/// A clock that is the host's is called that: its zero is no success of the node.
fn told(clock: &Clock) -> String {
    let source = &clock.source;
    let seconds = |ms: i64| format!("{:+.1} s", ms as f64 / 1000.0);
    let offset = match clock.offset {
        Some(offset) => format!("{} against {source}", seconds(offset.0)),
        None => format!("no offset: {source} could not be asked ({:?})", clock.state),
    };
    match (clock.state, clock.clock) {
        (State::Moved, _) => format!("{offset}; that clock jumped, and is not followed"),
        (_, Whose::Host) => format!("the host's clock ({offset})"),
        (_, Whose::Own) => offset,
    }
}
