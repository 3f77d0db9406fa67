//! Debian packages with everything they need, worked out from a repository's list on any system.
//!
//! [`read_index`] reads the list, [`read_installed`] what a node has already, [`closure`] finds the files to bring.
//! What is trusted: the list itself. It is pinned by its digest, or checked against a [`Release`] file, which is
//! [`Release::signed_by`] a keyring where gpgv is; once packages are pinned, the lock's digests are what counts.

mod closure;
mod index;
mod relation;
mod release;
mod signature;
mod version;

pub use closure::closure;
pub use index::{Package, PackageFile, read_index, read_installed};
pub use release::Release;
pub use version::{NotAVersion, Version};
