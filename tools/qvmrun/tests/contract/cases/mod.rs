//! The cases, by what they are about.

mod files;
mod guest;
mod power;
mod snapshots;
mod words;

use crate::case::Case;

/// All cases.
pub fn all() -> impl Iterator<Item = &'static Case> {
    [words::CASES, files::CASES, snapshots::CASES, power::CASES, guest::CASES].into_iter().flatten()
}
