//! What may be in a crate's tree, and how large the lock file may grow.

use super::{Findings, output};
use crate::provision::cargo;

/// Synchronous crates that a stranger's tool can embed cheaply.
const LEAN: &[&str] = &["seed-iso", "cloudinit", "kubecfg", "pki"];
/// What must not be in their trees.
const HEAVY: &[&str] = &["tokio", "russh", "duct", "reqwest"];
/// What must not be anywhere: a second TLS provider, or what it needs to be built.
const BANNED: &[&str] = &["aws-lc-rs", "aws-lc-sys", "openssl-sys", "native-tls", "cmake", "bindgen"];
/// The lock file stays under this many packages.
const PACKAGES: usize = 520;

/// Lean crates with something heavy in their tree.
pub(super) fn trees() -> Findings {
    let mut found = Vec::new();
    for name in LEAN {
        let words = ["tree", "--locked", "--edges", "normal", "--target", "all", "--prefix", "none", "--package", name];
        let tree = output(cargo().args(words))?;
        let heavy = HEAVY.iter().filter(|heavy| tree.lines().any(|l| l.split(' ').next() == Some(heavy)));
        found.extend(heavy.map(|heavy| format!("{name} has {heavy} in its tree")));
    }
    Ok(found)
}

/// A lock file that is too long, or holds something banned.
pub(super) fn lock() -> Findings {
    let text = std::fs::read_to_string("Cargo.lock").map_err(|e| format!("Cargo.lock: {e}"))?;
    Ok(lock_findings(&text))
}

fn lock_findings(text: &str) -> Vec<String> {
    let names: Vec<&str> =
        text.lines().filter_map(|l| l.strip_prefix("name = \"")).map(|l| l.trim_end_matches('"')).collect();
    let banned = BANNED.iter().filter(|b| names.contains(b)).map(|b| format!("Cargo.lock holds {b}"));
    let mut found: Vec<String> = banned.collect();
    if names.len() >= PACKAGES {
        found.push(format!("Cargo.lock holds {} packages, {PACKAGES} are too many", names.len()));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_provider_and_a_long_list_are_found() {
        let long = "name = \"x\"\n".repeat(PACKAGES);
        assert_eq!(lock_findings(&format!("{long}name = \"aws-lc-rs\"\n")).len(), 2);
        assert!(lock_findings("name = \"ring\"\n").is_empty());
    }
}
