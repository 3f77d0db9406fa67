//! Kubeconfig files: one cluster's own, and its place in a file that belongs to somebody else.
//!
//! [`Kubeconfig`] is one cluster, one user and one context under one name. [`merge_into`] puts it into a person's file
//! by editing *text*: foreign entries, comments and order stay byte for byte, and [`remove_from`] gives the original
//! bytes back. Files in flow style or JSON are refused rather than rewritten.

mod edit;
mod kubeconfig;
mod layout;
mod problem;
mod save;

pub use edit::{Change, Report, merge_into, remove_from};
pub use kubeconfig::Kubeconfig;
pub use problem::{KubecfgError, PROBLEMS};
pub use save::{Saved, read, save};
