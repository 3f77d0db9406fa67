//! What nodes get, and what happens on a second run.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

mod config;
#[cfg(unix)]
mod fake;
#[cfg(unix)]
mod run;
