//! What fits on this host, said before anything starts.

use serde::Serialize;

use crate::Profile;

/// What the desktop itself needs: the system, VMware, the registry.
const HOST_MIB: u64 = 4096;
/// A node without KubeSphere: system, k3s, its own pods.
const NODE_MIB: u64 = 1536;

/// What the nodes need in all for a profile, in MiB: systems, k3s and pods, and a quarter more, without which the kubelet
/// begins to evict. An estimate from what the pods ask for.
///
/// ```
/// assert_eq!(kubesphere::on_nodes(kubesphere::Profile::Core, 3), 7680);
/// ```
pub fn on_nodes(profile: Profile, nodes: u64) -> u64 {
    (nodes * NODE_MIB + profile.memory_mib()) * 5 / 4
}

/// Whether a profile fits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fit {
    /// The profile.
    pub profile: Profile,
    /// What host, nodes and pods need in all, in MiB. An estimate from what the pods ask for.
    pub needs_mib: u64,
    /// Whether the host has it.
    pub fits: bool,
}

/// Every profile against a host of this much memory with so many nodes. Pure.
///
/// ```
/// // a 16 GB host and three nodes: everything but logging
/// let fit: Vec<bool> = kubesphere::fits(16 * 1024, 3).iter().map(|f| f.fits).collect();
/// assert_eq!(fit, [true, true, false, false]);
/// ```
pub fn fits(host_mib: u64, nodes: u64) -> Vec<Fit> {
    let of = |profile: Profile| {
        let needs_mib = HOST_MIB + on_nodes(profile, nodes);
        Fit { profile, needs_mib, fits: needs_mib <= host_mib }
    };
    Profile::ALL.into_iter().map(of).collect()
}
