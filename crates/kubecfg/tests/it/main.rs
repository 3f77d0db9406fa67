//! A person's file before, with and after our entries.
#![allow(clippy::unwrap_used)]

mod api;
mod check;
mod files;
mod merge;
mod odd;
