//! Paths as VMware compares them.

use std::path::Path;

/// A path in which case does not matter and `\` is `/`.
pub(super) fn folded(path: &Path) -> String {
    path.to_string_lossy().replace('\\', "/").to_lowercase()
}

/// Whether two paths mean one .vmx to VMware: case does not matter, `\` is `/`.
pub fn same_path(a: &Path, b: &Path) -> bool {
    let full = |p: &Path| p.canonicalize().or_else(|_| std::path::absolute(p)).unwrap_or_else(|_| p.to_owned());
    folded(a) == folded(b) || folded(&full(a)) == folded(&full(b))
}
