//! Exit codes of every tool. The codes of errors stand in the catalogue beside the error's text.

/// Everything is as asked.
pub const OK: u8 = 0;
/// The operation failed and no closer code fits.
pub const FAILED: u8 = 1;
/// The command line is wrong, or the verb is not there yet.
pub const USAGE: u8 = 2;
/// The question was answered, and the answer is no: a check found errors, the lab is not Ready.
pub const NO: u8 = 3;
/// Configuration: 10 to 19.
pub const CONFIG: u8 = 10;
/// Resources of this host (packages, memory, disk, rights): 20 to 29.
pub const HOST: u8 = 20;
/// The provider of machines, vmrun and what it speaks to: 30 to 39.
pub const PROVIDER: u8 = 30;
/// Files and bundles that are missing, damaged or not the expected ones: 40 to 49.
pub const INTEGRITY: u8 = 40;
/// Network and registry: 50 to 59.
pub const NETWORK: u8 = 50;
/// The operating system of a node: 60 to 69.
pub const GUEST: u8 = 60;
/// The cluster: 70 to 79.
pub const CLUSTER: u8 = 70;
/// KubeSphere: 80 to 89.
pub const KUBESPHERE: u8 = 80;
/// Interrupted by a person or a signal; running the same command again goes on.
pub const INTERRUPTED: u8 = 90;
