//! The command line of `timesync`.

mod which;

use std::process::ExitCode;

use futures_util::future::join_all;
use steps::Problem;
use timesync::{ClockError, NodeReading, Policy, Verdict};

use self::which::{Login, Which};
use crate::{Catalogue, Ended, Failure, Tool, Ui, clocks, exit, explain};

#[derive(Debug, clap::Parser)]
#[command(
    about = "Compare clocks with the registry's, and put them right",
    after_help = "Examples:
  timesync status                        every node of the lab in this folder, and this host
  timesync diagnose master               why it is off or will be, and what to do
  timesync sync                          let every node put its clock right now
  timesync status --ssh 10.0.0.4:22 --key id --host-key host.pub      a machine outside any lab"
)]
struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Measure every clock and change nothing; exit code 3 when one is not right
    #[command(visible_alias = "measure")]
    Status(Which),
    /// Let nodes put their clocks right; k3s is stopped first where a step would harm it
    Sync(Which),
    /// Say what nodes recorded at their last own measurement
    Show(Which),
    /// Say why a node's clock is off or will be, and what to do
    Diagnose(Which),
}

/// Runs the program.
pub fn main() -> ExitCode {
    Tool::new("timesync").run(|ui, args: Args| async move {
        match &args.verb {
            Verb::Status(which) => which.on(async |nodes, side| status(&ui, which, nodes, side).await).await,
            Verb::Sync(which) => which.on(async |nodes, _| sync(&ui, nodes).await).await,
            Verb::Show(which) => which.on(async |nodes, _| show(&ui, nodes).await).await,
            Verb::Diagnose(which) => which.on(async |nodes, _| diagnose(&ui, nodes).await).await,
        }
    })
}

async fn status(ui: &Ui, which: &Which, nodes: Vec<Login>, side: Option<which::Lab<'_>>) -> Ended {
    let said = join_all(nodes.into_iter().map(|(name, ssh)| async move {
        let said = match ssh {
            Ok(ssh) => timesync::measure(&ssh).await.map_err(|e| e.to_string()),
            Err(failure) => Err(failure.problem().to_string()),
        };
        (name, said)
    }))
    .await;
    let all = which.compared(said, side).await?;
    ui.result(&all, clocks::text)?;
    Ok(if all.is_right() { exit::OK } else { exit::NO })
}

async fn sync(ui: &Ui, nodes: Vec<Login>) -> Ended {
    let done = join_all(nodes.into_iter().map(|(name, ssh)| async move {
        let clock = timesync::sync(&ssh?).await?;
        Ok::<_, Failure>(NodeReading::of(&name, Ok(clock), Policy::default()))
    }))
    .await;
    let readings = done.into_iter().collect::<Result<Vec<_>, Failure>>()?;
    told(ui, &readings)
}

async fn show(ui: &Ui, nodes: Vec<Login>) -> Ended {
    let shown = join_all(nodes.into_iter().map(|(name, ssh)| async move {
        let said = match timesync::recorded(&ssh?).await {
            Ok(Some(clock)) => Ok(clock),
            Ok(None) => Err("nothing recorded yet".to_owned()),
            Err(ClockError::Untrusted { last, .. }) => Err(last),
            Err(error) => return Err(Failure::from(error)),
        };
        Ok(NodeReading::of(&name, said, Policy::default()))
    }))
    .await;
    told(ui, &shown.into_iter().collect::<Result<Vec<_>, Failure>>()?)
}

fn told(ui: &Ui, readings: &[NodeReading]) -> Ended {
    ui.result(&readings, |readings| clocks::rows(readings))?;
    let right = readings.iter().all(|r| matches!(r.verdict, Verdict::Right | Verdict::Host));
    Ok(if right { exit::OK } else { exit::NO })
}

async fn diagnose(ui: &Ui, nodes: Vec<Login>) -> Ended {
    let found = join_all(nodes.into_iter().map(|(name, ssh)| async move {
        Ok::<_, Failure>(timesync::diagnose(&ssh?, &name, Policy::default()).await?)
    }))
    .await;
    let causes: Vec<_> = found.into_iter().collect::<Result<Vec<_>, Failure>>()?.into_iter().flatten().collect();
    let catalogue = Catalogue::load(ui.language());
    let told: Vec<_> = causes.iter().map(|cause| explain(&catalogue, cause as &dyn Problem)).collect();
    ui.result(&told, |told| match told.is_empty() {
        true => "nothing is wrong with these nodes' clocks".to_owned(),
        false => told.iter().map(crate::Explained::human).collect::<Vec<_>>().join("\n"),
    })?;
    Ok(if causes.is_empty() { exit::OK } else { exit::NO })
}
