//! What every node gets to be harder to break into and fit for a kubelet.

use crate::NodeFile;

/// The sshd drop-in: keys only, no root, no forwarding, an Ed25519 host key, ssh-audit's algorithm lists.
pub const SSHD_CONFIG: &str = include_str!("../../../guest/sshd-airlab.conf");

/// Kernel settings the kubelet insists on with `protect-kernel-defaults`.
pub const SYSCTL_CONFIG: &str = include_str!("../../../guest/sysctl-airlab.conf");

pub(crate) fn files() -> [NodeFile; 2] {
    [
        NodeFile::new("/etc/ssh/sshd_config.d/10-airlab.conf", SSHD_CONFIG, 0o600),
        NodeFile::new("/etc/sysctl.d/90-airlab.conf", SYSCTL_CONFIG, 0o644),
    ]
}
