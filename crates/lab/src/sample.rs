//! The lab files that ship with airlab.

/// The embedded default: three nodes through qvmrun, offline stand-ins for what cannot be fetched.
pub const DEMO: &str = include_str!("../../../labs/demo.toml");

/// The real thing: Windows desktop, VMware Workstation, VMnet1.
pub const DESKTOP: &str = include_str!("../../../labs/desktop.toml");
