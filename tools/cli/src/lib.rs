//! Command lines, renderers, exit codes and messages shared by every tool.
//!
//! The only place with sentences for people. A tool is one module with a `main` of this shape:
//!
//! ```no_run
//! #[derive(clap::Parser)]
//! #[command(about = "Says hello")]
//! struct Args {
//!     name: String,
//! }
//!
//! fn main() -> std::process::ExitCode {
//!     cli::Tool::new("hello").run(|ui, args: Args| async move {
//!         ui.say("thinking of a greeting");                   // standard error
//!         ui.result(&args.name, |name| format!("hello {name}"))?; // standard output, or JSON
//!         Ok(cli::exit::OK)
//!     })
//! }
//! ```

pub mod airlab;
mod catalogue;
mod clocks;
pub mod cloudinit;
mod conditions;
pub mod envcheck;
pub mod exit;
mod explain;
mod failure;
pub mod k3s_bootstrap;
pub mod kubecfg;
pub mod kubesphere;
mod language;
mod node;
#[cfg(test)]
mod pages;
pub mod registry_mirror;
pub mod seed_iso;
mod table;
pub mod timesync;
mod tool;
mod ui;
pub mod vmware;

pub use catalogue::{Catalogue, Message};
pub use explain::{Explained, explain};
pub use failure::Failure;
pub use language::Language;
pub use table::table;
pub use tool::{Ended, Tool, not_yet};
pub use ui::{Global, Output, Ui, cache_dir};
