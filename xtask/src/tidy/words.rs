//! Words that must not stand in some places.

use std::path::Path;

use super::{Findings, repository, text};

/// The ways to run a node. The product speaks to vmrun and never asks what answers.
const ENGINES: &[&str] = &["container", "tcg", "kvm", "qemu", "nspawn"];
/// Names of the Kubernetes API, which mean something else.
const KUBERNETES: &[&str] = &["container_runtime_version", "container_statuses", "init_container_statuses"];
/// Where they may be named: the provider itself, what builds its parts, the look at the host, tests.
const AT_HOME: &[&str] = &["crates/qvmrun/", "crates/demolab/", "crates/envcheck/", "crates/testkit/"];
/// Where a container is Docker's or a pod's, and no way to run a node.
const OTHERS: &[&str] = &["crates/airlab/src/registry/docker.rs", "crates/kubesphere/"];
/// Folders of somebody's machine, in two halves so that this file does not hold them.
const PLACES: &[(&str, &str)] = &[("/ho", "me/"), ("/Us", "ers/"), ("/wo", "rk/")];

/// Engines named in product code.
pub(super) fn engines() -> Findings {
    let mut found = Vec::new();
    for path in repository()? {
        if let Some(code) = text(&path).filter(|_| is_product(&path)) {
            let other = OTHERS.iter().any(|other| path.starts_with(other));
            let words = engine_words(&code).into_iter().filter(|(_, word)| !(other && word == "container"));
            found.extend(words.map(|(line, word)| format!("{}:{line}: {word}", path.display())));
        }
    }
    Ok(found)
}

fn is_product(path: &Path) -> bool {
    let name = path.to_string_lossy().replace('\\', "/");
    let product = name.starts_with("crates/") || name.starts_with("tools/") || name.starts_with("guest/");
    let test = name.contains("/tests/") || name.ends_with("/tests.rs") || name.starts_with("tools/qvmrun/");
    product && name.ends_with(".rs") && !test && !AT_HOME.iter().any(|home| name.starts_with(home))
}

/// The line and word of every engine named in code or strings. Comments and the tests at a file's end do not count.
fn engine_words(code: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (number, line) in code.lines().enumerate() {
        if line.starts_with("#[cfg(test)]") || line.starts_with("#[cfg(all(test") {
            break;
        }
        let line = line.trim_start();
        if line.starts_with("//") {
            continue;
        }
        let names = line.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').filter(|n| !KUBERNETES.contains(n));
        let words = names.flat_map(|name| name.split('_'));
        let engine = words.map(str::to_ascii_lowercase).find(|w| ENGINES.contains(&w.as_str()));
        found.extend(engine.map(|word| (number + 1, word)));
    }
    found
}

/// Paths of somebody's machine in any file.
pub(super) fn places() -> Findings {
    let mut found = Vec::new();
    for path in repository()? {
        let Some(text) = text(&path) else { continue };
        for (number, line) in text.lines().enumerate() {
            if PLACES.iter().any(|(a, b)| line.contains(&format!("{a}{b}"))) {
                found.push(format!("{}:{}", path.display(), number + 1));
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn engines_are_found_as_whole_words_in_code_only() {
        let code = "//! qemu\nlet a = \"kvm\";\n  // tcg\nlet containerd = 1;\nfn run_container() {}\nx.container_statuses;\n#[cfg(test)]\nlet qemu = 1;\n";
        assert_eq!(engine_words(code), [(2, "kvm".to_owned()), (5, "container".to_owned())]);
    }

    #[test]
    fn only_product_code_is_read() {
        let product = |p: &str| is_product(Path::new(p));
        assert!(product("crates/airlab/src/plan.rs") && product("tools/cli/src/airlab.rs"));
        assert!(
            !product("crates/qvmrun/src/lib.rs") && !product("crates/airlab/tests/it/main.rs") && !product("README.md")
        );
    }
}
