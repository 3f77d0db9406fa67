//! Bundles: everything a lab needs in a few files that are carried over an air gap. The format is in `docs/bundle.md`.
//!
//! [`create`] writes one; [`Bundle::open`] reads its manifest and checks the signature; [`Bundle::verify`] reads the rest
//! to the last byte. Only what was verified gives its content away.
//!
//! ```
//! use artifacts::bundle::{Bundle, Contents, SigningKey, Trust, create};
//! use steps::Silent;
//!
//! let dir = tempfile::tempdir().unwrap();
//! let program = dir.path().join("k3s");
//! std::fs::write(&program, b"program").unwrap();
//! let sha256 = artifacts::check("k3s", &program, None)?.sha256().to_owned();
//! let lock = artifacts::Lock::parse("airlab.lock", &format!(
//!     "[[artifact]]\nname = 'k3s'\nkind = 'k3s'\nversion = '1'\nsize = 7\nsha256 = '{sha256}'\nsources = []\n"))?;
//!
//! let key = SigningKey::generate()?;
//! let contents = Contents { files: vec![("k3s".into(), program)], ..Contents::new("lab", lock) };
//! let stick = dir.path().join("stick");
//! create(&contents, None, &stick, &key, &Silent)?;
//!
//! let bundle = Bundle::open(&stick, &Trust::Key(key.public()))?.verify(&Silent)?;
//! let mut k3s = Vec::new();
//! std::io::Read::read_to_end(&mut bundle.open(&sha256).unwrap(), &mut k3s).unwrap();
//! assert_eq!(k3s, b"program");
//! # Ok::<(), artifacts::bundle::BundleError>(())
//! ```

mod create;
mod diff;
mod import;
mod key;
mod manifest;
mod open;
mod parts;
mod problem;
mod sbom;
mod stream;
mod verify;

pub use create::{Contents, Created, ImageContent, create, default_part_size};
pub use diff::{Change, Difference};
pub use import::{Kept, Receipt};
pub use key::{PublicKey, SigningKey, Trust};
pub use manifest::{Base, BundledFile, BundledImage, Entry, Manifest, PartFile};
pub use open::Bundle;
pub use problem::BundleError;
pub use verify::{Content, Verified};
