//! Tests of the vmware crate against other programs and files.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod commands;
mod disks;
#[cfg(unix)]
mod talking;
#[cfg(unix)]
mod two_ways;
