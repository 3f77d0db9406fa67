//! Every key a lab file may hold, and the closest one to a misspelt key.

pub(crate) const TOP: &[&str] = &[
    "name",
    "network",
    "vm",
    "registry",
    "artifacts",
    "images",
    "versions",
    "k3s",
    "node",
    "kubeconfig",
    "kubesphere",
];
pub(crate) const K3S: &[&str] = &["disable", "snapshot_schedule", "snapshot_retention"];
pub(crate) const NETWORK: &[&str] = &["cidr", "mode"];
pub(crate) const VM: &[&str] =
    &["provider", "program", "folder", "disk_gib", "disk_format", "firmware", "create", "hardware", "parallel", "vmx"];
pub(crate) const REGISTRY: &[&str] = &["kind", "host", "port", "address", "ca", "credentials"];
pub(crate) const ARTIFACTS: &[&str] = &[
    "source",
    "iso",
    "iso_sha256",
    "k3s",
    "k3s_sha256",
    "airgap",
    "airgap_sha256",
    "images",
    "lock",
    "bundle",
    "trust",
];
pub(crate) const IMAGES: &[&str] = &["profile"];
pub(crate) const VERSIONS: &[&str] = &["ubuntu", "k3s"];
pub(crate) const KUBESPHERE: &[&str] = &["enabled", "chart", "profile", "museum"];
pub(crate) const NODE: &[&str] = &[
    "name",
    "role",
    "address",
    "cpus",
    "memory_mib",
    "mac",
    "labels",
    "taints",
    "machine",
    "port",
    "user",
    "host_key",
    "key",
];

/// Keys of a .vmx that airlab writes itself, in lower case; one with a dot or star at its end stands for all that begin so.
const OWN_VMX: &[&str] = &[
    ".encoding",
    "config.version",
    "virtualhw.",
    "guestos",
    "displayname",
    "annotation",
    "memsize",
    "numvcpus",
    "cpuid.corespersocket",
    "firmware",
    "uefi.secureboot.enabled",
    "nvram",
    "pcibridge*",
    "vmci0.present",
    "hpet0.present",
    "disk.enableuuid",
    "ide*",
    "sata*",
    "scsi*",
    "nvme*",
    "bios.bootorder",
    "bios.hddorder",
    "ethernet*",
    "serial0.",
    "tools.synctime",
    "time.synchronize.",
    "uuid.",
    "msg.autoanswer",
    "gui.exit*",
    "powertype.",
    "isolation.tools.",
    "remotedisplay.vnc.enabled",
    "mks.enable3d",
    "sound.present",
    "usb.present",
    "floppy0.present",
    "mainmem.usenamedfile",
    "checkpoint.vmstate",
    "guestinfo.airlab.",
];

/// Whether a .vmx key is one that airlab writes itself, and a lab file may not.
///
/// ```
/// assert!(lab::own_vmx_key("memSize") && lab::own_vmx_key("ethernet0.address"));
/// assert!(!lab::own_vmx_key("rtc.startTime"));
/// ```
pub fn own_vmx_key(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    OWN_VMX.iter().any(|own| match own.strip_suffix('*') {
        Some(start) => key.starts_with(start),
        None if own.ends_with('.') => key.starts_with(own),
        None => key == *own,
    })
}

/// The known key closest to `key`, if it is close enough to be a slip.
pub(crate) fn closest(key: &str, known: &[&str]) -> Option<String> {
    let budget = (key.len() / 3).max(1);
    known.iter().map(|k| (distance(key, k), *k)).min().filter(|(d, _)| *d <= budget).map(|(_, k)| k.to_owned())
}

/// Edits (insert, delete, replace) between two words.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().enumerate() {
        let mut left = i + 1;
        let mut diagonal = i;
        for (j, cb) in b.iter().enumerate() {
            let cost = diagonal + usize::from(ca != *cb);
            diagonal = row[j + 1];
            let best = cost.min(diagonal + 1).min(left + 1);
            row[j] = left;
            left = best;
        }
        row[b.len()] = left;
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_recognised_and_strangers_are_not() {
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(closest("adress", NODE).as_deref(), Some("address"));
        assert_eq!(closest("memory_mb", NODE).as_deref(), Some("memory_mib"));
        assert_eq!(closest("colour", NODE), None);
    }
}
