//! The qvmrun program from the outside: its words, and the whole life of a machine.
#![cfg(target_os = "linux")]
#![allow(unreachable_pub, clippy::print_stderr, clippy::unwrap_used)] // it has no outside, and says why it skips

mod cloned;
mod emulated;
mod faults;
mod lab;
mod life;
mod snapshots;
mod tiny;
mod words;
