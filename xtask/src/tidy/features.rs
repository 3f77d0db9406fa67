//! One build of everything: a package built alone must not get other features than it has in the whole workspace, or it
//! and all above it are compiled twice, by a person's second command and in CI.

use std::collections::{BTreeMap, BTreeSet};

use super::{Findings, output};
use crate::e2e;
use crate::provision::cargo;

/// Each package with its features, as often as the tree has it.
type Features = BTreeMap<String, BTreeSet<String>>;

/// Dependencies of the built programs that the workspace's tests have with other features.
pub(super) fn check() -> Findings {
    let programs: Vec<&str> = e2e::packages().flat_map(|p| ["-p", p]).chain(["--edges", "no-dev"]).collect();
    Ok(findings(&tree(&programs)?, &tree(&["--workspace"])?))
}

fn tree(words: &[&str]) -> Result<Features, String> {
    let fixed = ["tree", "--locked", "--prefix", "none", "--format", "{p}|{f}"];
    let text = output(cargo().args(fixed).args(words.iter().copied()))?;
    let mut features = Features::new();
    for (package, with) in text.lines().filter_map(|l| l.trim_end_matches(" (*)").split_once('|')) {
        features.entry(package.to_owned()).or_default().insert(with.to_owned());
    }
    Ok(features)
}

fn findings(alone: &Features, whole: &Features) -> Vec<String> {
    let text = |f: &BTreeSet<String>| f.iter().cloned().collect::<Vec<_>>().join(" and ");
    let other = alone.iter().filter_map(|(package, f)| Some((package, f, whole.get(package)?)));
    other
        .filter(|(_, alone, whole)| !alone.is_subset(whole))
        .map(|(package, alone, whole)| {
            format!("{package} has [{}] in the programs, [{}] in the workspace", text(alone), text(whole))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dependency_with_other_features_is_found() {
        let of = |f: &str| Features::from([("hex v0.4.3".to_owned(), [f.to_owned()].into())]);
        assert_eq!(
            findings(&of("alloc"), &of("alloc,std")),
            ["hex v0.4.3 has [alloc] in the programs, [alloc,std] in the workspace"]
        );
        assert!(findings(&of("std"), &of("std")).is_empty());
    }
}
