//! Answers from fixtures, and over real sockets.

#![allow(clippy::unwrap_used, reason = "tests")]

mod answers;
mod sockets;
