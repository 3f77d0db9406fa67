//! `Ssh` against a real OpenSSH server on loopback.
#![cfg(all(unix, feature = "ssh"))]
#![allow(clippy::unwrap_used, clippy::print_stderr)]

mod ssh;
mod sshd;
