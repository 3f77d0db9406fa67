//! Tests of seed-iso on whole images, judged by other programs where they are installed.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod cidata;
mod hostile;
mod judge;
mod patching;
mod reading;
#[cfg(feature = "cdfs")]
mod second;
