//! br_netfilter: without it a Service does not answer pods of the node it runs on. A machine loads it into its own
//! kernel; a node cannot, so it is loaded for it.

use std::fs;
use std::path::Path;

use machine::{Cmd, Local};

/// The switches of the caller's own network; there only while the module is.
const SWITCHES: &str = "/proc/sys/net/bridge";

/// Loads the module where it is missing. It begins switched on in every network; the host's own bridges stay as they
/// were, so it is switched off there. A kernel that has no such module is reported by `qvmrun doctor`.
pub(super) fn ensure() {
    if Path::new(SWITCHES).exists() {
        return;
    }
    let _ = Local.run(&Cmd::new("modprobe").arg("br_netfilter"));
    for family in ["arp", "ip", "ip6"] {
        let _ = fs::write(Path::new(SWITCHES).join(format!("bridge-nf-call-{family}tables")), "0");
    }
}
