//! The program as people meet it.

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test may panic, and says what it does not show")]

#[cfg(unix)]
mod bundle;
#[cfg(unix)]
mod charts;
