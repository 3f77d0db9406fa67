//! What nodes get, and what happens on a second run.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

#[cfg(unix)]
mod api;
mod config;
#[cfg(unix)]
mod fake;
#[cfg(unix)]
mod fetch;
#[cfg(unix)]
mod run;
#[cfg(unix)]
mod upgrade;
