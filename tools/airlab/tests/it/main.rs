//! The program as people meet it.

#![allow(clippy::unwrap_used)]

#[cfg(unix)]
mod bundle;
#[cfg(unix)]
mod charts;
