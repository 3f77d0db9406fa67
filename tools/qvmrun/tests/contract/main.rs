//! The contract of vmrun's command language: what qvmrun promises, and what a real vmrun can be asked about.
//!
//! `AIRLAB_CONTRACT_VMRUN=/path/to/vmrun` asks that program instead of this build's qvmrun; `AIRLAB_CONTRACT_REPORT=FILE`
//! writes FILE and FILE.json. Cases inside a guest want `AIRLAB_CONTRACT_GUEST=/path/to.vmx`, a machine that is on, and
//! `AIRLAB_CONTRACT_LOGIN=USER:PASSWORD`.
// a test program has no outside, and prints its report
#![allow(unreachable_pub, missing_docs, clippy::print_stdout, clippy::unwrap_used)]
#![cfg_attr(not(target_os = "linux"), allow(dead_code))] // qvmrun's own subjects are there on Linux only

mod case;
mod cases;
#[cfg(target_os = "linux")]
mod installed;
mod proof;
mod report;
mod run;
mod subject;
#[cfg(target_os = "linux")]
#[path = "../it/tiny.rs"]
mod tiny;
