//! `Ssh` against a real OpenSSH server on loopback.
#![cfg(all(unix, feature = "ssh"))]

mod ssh;
mod sshd;
