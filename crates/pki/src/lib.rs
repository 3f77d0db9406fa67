//! Private certificate authority, leaf certificates, k3s cluster CAs and join tokens.
//!
//! Everything that identifies a lab is made before its first machine starts: the [`Authority`] behind the registry's
//! certificate, the cluster's own CAs ([`ClusterCa`]) and, computed from them, the [`JoinTokens`].
//!
//! `ensure` functions share one rule: a valid file stays byte for byte, a missing one is made, and anything else
//! (expired, foreign, unreadable) is a [`PkiError`]: nothing is ever replaced silently.
//! Certificates are back-dated by a day, so that a guest whose clock is slow can still finish a handshake.
//!
//! ```
//! use std::time::SystemTime;
//! let dir = tempfile::tempdir().unwrap();
//! let now = SystemTime::now();
//! let spec = pki::AuthoritySpec {
//!     name: "airlab".into(),
//!     networks: vec![("192.168.6.0".parse().unwrap(), 24)],
//!     domains: vec![],
//! };
//! let authority = pki::Authority::ensure(&dir.path().join("ca"), &spec, now)?;
//! let registry = authority.ensure_server(&dir.path().join("registry"), "registry", &["192.168.6.1".into()], now)?;
//! assert!(registry.cert_pem().starts_with("-----BEGIN CERTIFICATE-----"));
//!
//! let cluster = pki::ClusterCa::ensure(&dir.path().join("cluster"), "airlab", now)?;
//! let tokens = pki::JoinTokens::ensure(&dir.path().join("cluster"), cluster.server_ca())?;
//! # use secrecy::ExposeSecret;
//! assert!(tokens.server.full().expose_secret().starts_with("K10"));
//! # Ok::<(), pki::PkiError>(())
//! ```

mod authority;
mod cluster;
mod ec;
mod expiry;
mod facts;
mod files;
mod identity;
mod issue;
mod problem;
mod token;

pub use authority::{Authority, AuthoritySpec};
pub use cluster::{ClusterCa, ClusterFile};
pub use expiry::{Expiry, expiries};
pub use identity::Identity;
pub use issue::BACK_DATED;
pub use problem::{PROBLEMS, PkiError};
pub use token::{JoinToken, JoinTokens};
