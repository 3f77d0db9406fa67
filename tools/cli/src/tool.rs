//! The frame around every tool's work: command line, logging, runtime, errors, exit code.

use std::future::Future;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::builder::Resettable;
use clap::{ArgMatches, Args as _, Command, CommandFactory, FromArgMatches};

use crate::exit;
use crate::failure::{Failure, Interrupted};
use crate::ui::{Global, Ui};

/// How a tool's work ends: with an exit code of [`crate::exit`], or with a failure that the catalogue explains.
pub type Ended = Result<u8, Failure>;

/// A program: its name, and what it logs when nothing else is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Tool {
    name: &'static str,
    log: &'static str,
    graceful: bool,
}

impl Tool {
    /// A program that logs nothing unless `AIRLAB_LOG` asks for it.
    pub const fn new(name: &'static str) -> Self {
        Self { name, log: "off", graceful: false }
    }

    /// The same program with this `tracing` filter as its default: `registry_mirror=info`.
    pub const fn log(mut self, filter: &'static str) -> Self {
        self.log = filter;
        self
    }

    /// The same program, whose work listens for SIGTERM itself and ends well after it.
    pub const fn graceful(mut self) -> Self {
        self.graceful = true;
        self
    }

    /// Reads the command line into `A` (a `clap::Parser`), runs `work`, and turns its end into an exit code.
    /// `--output` and `--quiet` are understood by every tool. `work` may block; it runs on tokio's runtime.
    pub fn run<A, F, W>(self, work: W) -> ExitCode
    where
        A: CommandFactory + FromArgMatches,
        W: FnOnce(Arc<Ui>, A) -> F,
        F: Future<Output = Ended>,
    {
        let (global, args) = match self.parse::<A>(std::env::args_os()) {
            Ok(parsed) => parsed,
            Err(error) => {
                let _ = error.print();
                return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(exit::USAGE));
            }
        };
        self.start_log();
        // Somebody else's provider, or ours from an earlier call, is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let ui = Ui::start(global);
        let runtime = match tokio::runtime::Runtime::new() {
            Ok(runtime) => runtime,
            Err(error) => return ExitCode::from(ui.failed(&Failure::system("starting the runtime", error))),
        };
        let ended = runtime.block_on(async {
            tokio::select! {
                // The signal is looked at first, so that it is ours even while the work blocks on a program that it
                // interrupts too; that program's exit code is then the answer.
                biased;
                () = asked_to_stop(self.graceful) => Err(Interrupted { command: command_line() }.into()),
                ended = work(ui.clone(), args) => ended,
            }
        });
        runtime.shutdown_timeout(Duration::from_secs(2));
        ExitCode::from(ended.unwrap_or_else(|failure| ui.failed(&failure)))
    }

    /// The whole command line of this tool, for help texts and their tests.
    pub fn command<A: CommandFactory>(self) -> Command {
        let own = A::command().name(self.name).bin_name(self.name).version(env!("CARGO_PKG_VERSION"));
        let (about, long) = (own.get_about().cloned(), own.get_long_about().cloned());
        // flattening brings the description of the common options along
        Global::augment_args(own)
            .about(about.unwrap_or_default())
            .long_about(long.map_or(Resettable::Reset, Resettable::Value))
    }

    fn parse<A>(self, words: impl IntoIterator<Item = std::ffi::OsString>) -> Result<(Global, A), clap::Error>
    where
        A: CommandFactory + FromArgMatches,
    {
        let matches: ArgMatches = self.command::<A>().try_get_matches_from(words)?;
        Ok((Global::from_arg_matches(&matches)?, A::from_arg_matches(&matches)?))
    }

    fn start_log(self) {
        let filter = std::env::var("AIRLAB_LOG").unwrap_or_else(|_| self.log.to_owned());
        let filter = tracing_subscriber::EnvFilter::try_new(&filter).unwrap_or_default();
        let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(false);
        let _ = log.try_init();
    }
}

/// Comes back when a person or the system asks the program to stop.
async fn asked_to_stop(graceful: bool) {
    #[cfg(unix)]
    if !graceful {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut term) = signal(SignalKind::terminate()) {
            tokio::select! {
                Ok(()) = tokio::signal::ctrl_c() => return,
                Some(()) = term.recv() => return,
                else => {}
            }
        }
    }
    let _ = graceful;
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// A tool whose work is not there yet.
pub fn not_yet(name: &'static str) -> ExitCode {
    let ui = Ui::start(Global::default());
    ExitCode::from(ui.failed(&Failure::not_yet(name)))
}

/// This program's command line as a person would type it again.
fn command_line() -> String {
    let words: Vec<String> = std::env::args().collect();
    let (program, args) = words.split_first().map_or(("airlab", &words[..0]), |(p, rest)| (p.as_str(), rest));
    machine::Cmd::new(program).args(args).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::Output;

    #[derive(Debug, clap::Parser)]
    #[command(about = "A tool for this test")]
    struct Args {
        #[command(subcommand)]
        verb: Verb,
    }

    #[derive(Debug, clap::Subcommand, PartialEq)]
    enum Verb {
        Go {
            #[arg(long)]
            far: bool,
        },
    }

    fn words(line: &str) -> Vec<std::ffi::OsString> {
        line.split(' ').map(Into::into).collect()
    }

    #[test]
    fn the_common_options_may_stand_before_and_behind_the_verb() {
        for line in ["tool --output json -q go --far", "tool go --far -q --output json"] {
            let (global, args) = Tool::new("tool").parse::<Args>(words(line)).unwrap();
            assert_eq!(
                (global.output, global.quiet, args.verb),
                (Output::Json, true, Verb::Go { far: true }),
                "{line}"
            );
        }
    }

    #[test]
    fn help_says_what_the_tool_is_for() {
        let help = Tool::new("tool").command::<Args>().render_help().to_string();
        assert!(help.starts_with("A tool for this test"), "{help}");
    }

    #[test]
    fn a_wrong_command_line_is_a_usage_error() {
        let error = Tool::new("tool").parse::<Args>(words("tool fly")).unwrap_err();
        assert_eq!(error.exit_code(), i32::from(exit::USAGE));
    }
}
