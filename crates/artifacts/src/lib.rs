//! Pinned files: lock, verified resumable fetch, content store.
//!
//! Every file from outside is named in `airlab.lock` with its size and SHA-256. An [`Artifact`] can only be had by
//! verification: [`check`] a file where it lies, or [`ensure`] a pin from its sources.
//!
//! ```
//! let dir = tempfile::tempdir().unwrap();
//! let file = dir.path().join("k3s");
//! std::fs::write(&file, b"abc").unwrap();
//! let sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
//! let artifact = artifacts::check("k3s", &file, Some(sha256))?;
//! assert_eq!((artifact.size(), artifact.sha256()), (3, sha256));
//! assert!(artifacts::check("k3s", &file, Some(&"0".repeat(64))).is_err());
//! # Ok::<(), artifacts::ArtifactError>(())
//! ```

mod artifact;
pub mod bundle;
pub mod debian;
mod download;
mod fetch;
mod form;
mod lock;
mod problem;
pub mod spdx;
mod verdicts;

pub use artifact::{Artifact, check};
pub use fetch::{Store, check_pin, ensure, fetch};
pub use form::{Packing, check_form, is_for_windows};
pub use lock::{ImagePin, Lock, Pin};
pub use problem::{ArtifactError, PROBLEMS};
pub use verdicts::Verdicts;
