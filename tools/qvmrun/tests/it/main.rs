//! The qvmrun program from the outside: its words, and the whole life of a machine.
#![cfg(target_os = "linux")]
// a test program has no outside; it says why it skips
#![allow(unreachable_pub, clippy::print_stderr, clippy::unwrap_used)]

mod cloned;
mod emulated;
mod faults;
mod lab;
mod life;
mod snapshots;
mod tiny;
mod words;
