//! Installer ISO patching in place and small CIDATA ISOs, in pure Rust.
//!
//! [`Iso`] reads ISO 9660 images with Rock Ridge or Joliet names, large files included. [`Grub`] reads and edits the
//! boot menu of an Ubuntu installer. Everything is synchronous, needs no privileges and works the same on Windows.

mod cidata;
mod continuation;
mod gpt;
mod grub;
mod image;
mod insert;
mod iso;
mod mark;
mod patch;
mod plan;
mod problem;
mod record;
mod tree;
#[cfg(feature = "cdfs")]
mod verify;
mod write;

pub use cidata::Cidata;
pub use grub::{Grub, MenuEntry};
pub use iso::{Entry, Iso, Kind};
pub use patch::{Inspection, Patch, PatchMark, Patched, ensure, fingerprint, inspect, patch, patch_checked, reset};
pub use problem::IsoError;
#[cfg(feature = "cdfs")]
pub use verify::{Verified, verify};

/// The ids of all problems of this crate.
pub const PROBLEMS: &[&str] = problem::IDS;
