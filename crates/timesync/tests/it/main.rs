//! The guest script itself, against small TLS servers, with a `date` that never touches the real clock.
#![cfg(unix)]
#![allow(clippy::unwrap_used)]

mod script;
mod world;
