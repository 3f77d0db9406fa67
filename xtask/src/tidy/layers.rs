//! Arrows between our crates point down only.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Findings, output};
use crate::provision::cargo;

/// Who may use whom. A crate that is not named here may use only [`GROUND`].
const ALLOWED: &[(&str, &[&str])] = &[
    ("steps", &[]),
    ("machine", &["steps"]),
    ("pki", &["steps", "machine"]),
    ("artifacts", &["steps", "machine"]),
    ("kubeapi", &["steps"]),
    ("demolab", &["steps", "machine"]),
    // it reads what vmware writes, and the installer's own ISO
    ("qvmrun", &["steps", "machine", "vmware", "seed-iso"]),
    ("xtask", &["demolab", "machine", "steps"]),
    ("qvmrun-cli", &["qvmrun"]),
    // it looks at the product from outside, and reads its files with our readers
    ("e2e", &["demolab", "machine", "qvmrun", "seed-iso", "steps", "testkit", "vmware"]),
];
/// The crates every library may use.
const GROUND: &[&str] = &["steps", "machine", "pki", "artifacts", "kubeapi"];
/// The libraries that do not know each other.
const LIBRARIES: &[&str] = &[
    "envcheck",
    "hostnet",
    "registry-mirror",
    "seed-iso",
    "cloudinit",
    "vmware",
    "k3s-bootstrap",
    "kubesphere",
    "kubecfg",
    "timesync",
    "health",
];

/// Every arrow that points up or sideways.
pub(super) fn check() -> Findings {
    let json = output(cargo().args(["metadata", "--no-deps", "--locked", "--format-version", "1"]))?;
    let metadata: Value = serde_json::from_str(&json).map_err(|e| format!("cargo metadata: {e}"))?;
    Ok(findings(&arrows(&metadata)))
}

/// Each of our crates with those of ours it uses in its own code (tests may use anything).
fn arrows(metadata: &Value) -> BTreeMap<String, Vec<String>> {
    let packages = metadata["packages"].as_array().cloned().unwrap_or_default();
    let name = |value: &Value| value["name"].as_str().unwrap_or_default().to_owned();
    let ours: Vec<String> = packages.iter().map(name).collect();
    let uses = |package: &Value| {
        let all = package["dependencies"].as_array().cloned().unwrap_or_default();
        all.iter().filter(|d| d["kind"].is_null()).map(name).filter(|d| ours.contains(d)).collect()
    };
    packages.iter().map(|package| (name(package), uses(package))).collect()
}

fn findings(arrows: &BTreeMap<String, Vec<String>>) -> Vec<String> {
    let mut found = Vec::new();
    for (from, uses) in arrows {
        found.extend(uses.iter().filter(|to| !may(from, to)).map(|to| format!("{from} must not use {to}")));
    }
    found
}

fn may(from: &str, to: &str) -> bool {
    if let Some((_, allowed)) = ALLOWED.iter().find(|(name, _)| *name == from) {
        return allowed.contains(&to);
    }
    let below_airlab = GROUND.contains(&to) || LIBRARIES.contains(&to);
    match from {
        "testkit" => below_airlab,
        "lab" => below_airlab,
        "airlab" => below_airlab || to == "lab",
        "cli" => to != "testkit" && to != "xtask" && !to.ends_with("-cli"),
        tool if tool.ends_with("-cli") => to == "cli",
        _ => GROUND.contains(&to),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(from: &str, to: &str) -> Vec<String> {
        findings(&BTreeMap::from([(from.to_owned(), vec![to.to_owned()])]))
    }

    #[test]
    fn sideways_and_upward_arrows_are_found() {
        for (from, to) in [("vmware", "cloudinit"), ("machine", "lab"), ("airlab", "demolab"), ("seed-iso", "lab")] {
            assert_eq!(one(from, to), [format!("{from} must not use {to}")]);
        }
        assert_eq!(one("airlab-cli", "airlab").len(), 1);
    }

    #[test]
    fn downward_arrows_are_fine() {
        for (from, to) in [("vmware", "machine"), ("airlab", "lab"), ("cli", "airlab"), ("airlab-cli", "cli")] {
            assert!(one(from, to).is_empty(), "{from} {to}");
        }
    }

    #[test]
    fn arrows_of_tests_do_not_count() {
        let metadata = serde_json::json!({"packages": [
            {"name": "a", "dependencies": [{"name": "b", "kind": "dev"}, {"name": "c", "kind": null}]},
            {"name": "b", "dependencies": []}, {"name": "c", "dependencies": []}]});
        assert_eq!(arrows(&metadata)["a"], ["c"]);
    }
}
