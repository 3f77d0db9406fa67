//! What the built parts are. They take minutes to build the first time, so these tests run only when asked for:
//! `cargo test -p demolab -- --ignored`.
#![allow(clippy::unwrap_used, reason = "tests")]

#[cfg(target_os = "linux")]
mod installer;
#[cfg(target_os = "linux")]
mod iso;
