//! A hash of a folder, to see that nothing in it changed.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::proof::Fail;

/// Every file below a folder with mode and sha256. Other file systems mounted inside are not entered.
pub(crate) type Tree = BTreeMap<String, String>;

/// What a lab changes by merely running: disks and consoles of nodes, logs, journal, locks, the provider's run time
/// files.
pub(crate) fn moves_by_itself(path: &str) -> bool {
    path.ends_with(".vmdk")
        || path.ends_with(".qcow2")
        || path.ends_with(".log")
        || path.ends_with(".lock")
        || path.contains("/logs/")
        || path.contains("/provider/")
        || path.ends_with("journal.jsonl")
}

/// Reads the tree, leaving out the paths `skip` names. A folder that is not there is an empty tree.
pub(crate) fn tree(root: &Path, skip: impl Fn(&str) -> bool + Copy) -> Result<Tree, Fail> {
    let mut found = Tree::new();
    if let Ok(meta) = fs::symlink_metadata(root) {
        walk(root, root, meta.dev(), skip, &mut found)?;
    }
    Ok(found)
}

fn walk(
    root: &Path,
    dir: &Path,
    device: u64,
    skip: impl Fn(&str) -> bool + Copy,
    found: &mut Tree,
) -> Result<(), Fail> {
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        let name = format!("/{}", path.strip_prefix(root).unwrap_or(&path).display());
        let meta = fs::symlink_metadata(&path)?;
        if skip(&name) || meta.dev() != device {
            continue;
        }
        let mode = meta.permissions().mode();
        if meta.is_dir() {
            found.insert(name, format!("{mode:o} folder"));
            walk(root, &path, device, skip, found)?;
        } else if meta.is_symlink() {
            found.insert(name, format!("link to {}", fs::read_link(&path)?.display()));
        } else if meta.is_file() {
            found.insert(name, format!("{mode:o} {}", sha256(&path)?));
        }
    }
    Ok(())
}

/// The sha256 of a file in hexadecimal.
pub(crate) fn sha256(path: &Path) -> Result<String, Fail> {
    let (mut hash, mut file, mut block) = (Sha256::new(), fs::File::open(path)?, vec![0; 1 << 20]);
    loop {
        match file.read(&mut block)? {
            0 => break,
            n => hash.update(&block[..n]),
        }
    }
    Ok(hash.finalize().iter().map(|b| format!("{b:02x}")).collect())
}

/// The paths that differ between two trees; at most eight, and how many more.
pub(crate) fn differences(before: &Tree, after: &Tree) -> Option<String> {
    let mut paths: Vec<String> = Vec::new();
    for (path, was) in before {
        match after.get(path) {
            None => paths.push(format!("gone {path}")),
            Some(is) if is != was => paths.push(format!("changed {path}")),
            Some(_) => {}
        }
    }
    paths.extend(after.keys().filter(|p| !before.contains_key(*p)).map(|p| format!("new {p}")));
    let more = paths.len().saturating_sub(8);
    paths.truncate(8);
    match (paths.is_empty(), more) {
        (true, _) => None,
        (false, 0) => Some(paths.join(", ")),
        (false, n) => Some(format!("{} and {n} more", paths.join(", "))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_mode_and_names_count_and_skipped_paths_do_not() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("a"), "1").unwrap();
        fs::write(dir.path().join("a.log"), "1").unwrap();
        let before = tree(dir.path(), moves_by_itself).unwrap();
        fs::write(dir.path().join("a.log"), "2").unwrap();
        assert_eq!(differences(&before, &tree(dir.path(), moves_by_itself).unwrap()), None);
        fs::write(dir.path().join("a"), "2").unwrap();
        fs::write(dir.path().join("b"), "").unwrap();
        let after = tree(dir.path(), moves_by_itself).unwrap();
        assert_eq!(differences(&before, &after).unwrap(), "changed /a, new /b");
        fs::set_permissions(dir.path().join("b"), fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(differences(&after, &tree(dir.path(), moves_by_itself).unwrap()).unwrap(), "changed /b");
    }
}
