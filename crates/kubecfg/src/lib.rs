//! Kubeconfig files: one cluster's own, and its place in a file that belongs to somebody else.
//!
//! [`Kubeconfig`] is one cluster, one user and one context under one name. [`merge_into`] puts it into a person's file
//! by editing *text*, YAML or JSON: foreign entries, comments and order stay byte for byte, and [`remove_from`] gives
//! the original bytes back. What cannot be edited so is refused rather than rewritten. [`check`] asks the API as kubectl
//! would and names what is in the way; [`contexts`] shows how long certificates last.

mod block;
mod check;
mod contexts;
mod document;
mod edit;
mod json;
mod kubeconfig;
mod layout;
mod problem;
mod save;

pub use check::{Around, CheckError, Whose, Working, check};
pub use contexts::{ContextRow, Life, Login, SOON, contexts, life};
pub use edit::{Change, Report, merge_into, remove_from, remove_ours};
pub use kubeconfig::Kubeconfig;
pub use problem::{Conflict, KubecfgError, PROBLEMS};
pub use save::{Saved, read, save, text};
