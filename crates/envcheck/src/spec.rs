//! What is asked of the host.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

/// Bytes that must be free where a folder is, or will be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiskNeed {
    /// The folder. It need not exist; its nearest existing parent is looked at.
    pub path: PathBuf,
    /// Bytes. Needs of paths on one file system are added up.
    pub bytes: u64,
}

/// What is asked of the host. Empty parts are not checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spec {
    /// Whether root is needed.
    pub root: bool,
    /// Debian packages that must be installed.
    pub packages: Vec<String>,
    /// Bytes of memory that must be available.
    pub memory: u64,
    /// What must be free on which disk.
    pub disk: Vec<DiskNeed>,
    /// Kernel features that nodes as system containers need: `fuse`, `loop`, `overlay`, `veth`, `bridge`.
    pub kernel: Vec<String>,
    /// Addresses that must be free to listen on, in the network namespace of this process.
    pub ports: Vec<SocketAddr>,
    /// The earliest time the clock may plausibly show: when the program or its newest artifact was made.
    pub not_before: SystemTime,
    /// Whether usable hardware virtualisation is wanted.
    pub virtualisation: bool,
}

impl Default for Spec {
    /// Asks for nothing but a clock that is past 2026-01-01.
    fn default() -> Self {
        Self {
            root: false,
            packages: Vec::new(),
            memory: 0,
            disk: Vec::new(),
            kernel: Vec::new(),
            ports: Vec::new(),
            not_before: SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_225_600),
            virtualisation: false,
        }
    }
}
