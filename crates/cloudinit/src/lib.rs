//! The documents that install and first configure a node, as typed values.
//!
//! [`seed`] turns a [`NodeSpec`] into the three files of a NoCloud volume. `user-data` is an *autoinstall* document for
//! Ubuntu's installer; inside it, under `user-data`, is the cloud-config that the installed system applies at its
//! first boot. Everything is serialized from types; there is no template.
//!
//! [`golden()`] and [`clone_seed`] are the other way to a node: one machine is installed with what all nodes share, every
//! node is a clone of it, and its seed is the cloud-config of its first boot.
//!
//! Sources: Ubuntu's autoinstall reference (22.04), cloud-init's module reference, netplan's YAML reference.

mod autoinstall;
mod first_boot;
mod golden;
mod hardening;
mod network;
mod seed;
mod spec;

pub use autoinstall::Autoinstall;
pub use first_boot::CloudConfig;
pub use golden::GoldenSpec;
pub use hardening::{SSHD_CONFIG, SYSCTL_CONFIG};
pub use network::NetworkConfig;
pub use seed::{INSTALLED, READY, Seed, SeedError, clone_seed, golden, seed};
pub use spec::{NodeFile, NodeSpec};

/// The id of every problem this crate can report.
pub const PROBLEMS: &[&str] = &["AL-INI-001", "AL-INI-002"];
