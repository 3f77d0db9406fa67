//! What a run that was killed left half-written.

use std::path::{Path, PathBuf};

use lab::Layout;

/// Removes the unfinished files of processes that are gone from a lab's folder: whole files only get their names when
/// they are complete, so nothing of it was ever used. The provider's own folder is its own affair.
pub(crate) fn sweep(files: &Layout) {
    let mut found = Vec::new();
    for folder in [files.root().to_owned(), files.ssh()] {
        unfinished(&folder, 0, &mut found);
    }
    unfinished(&files.pki(), 1, &mut found); // the authorities have folders of their own
    unfinished(&files.machines(), 1, &mut found);
    unfinished(&files.registry(), usize::MAX, &mut found);
    for path in found {
        let _ = if path.is_dir() { std::fs::remove_dir_all(&path) } else { std::fs::remove_file(&path) };
        // The folder of uploads goes with the last of them.
        if let Some(uploads) = path.parent().filter(|p| p.ends_with("_uploads")) {
            let _ = std::fs::remove_dir(uploads);
        }
    }
}

/// Looks into a folder and `depth` levels below it.
fn unfinished(folder: &Path, depth: usize, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if writer(&name).is_some_and(is_gone) {
            found.push(entry.path());
        } else if depth > 0 && entry.file_type().is_ok_and(|t| t.is_dir()) {
            unfinished(&entry.path(), depth - 1, found);
        }
    }
}

/// The process that writes under this name: `.NAME.PID.tmp`, `.PID.COUNT.tmp` in the registry's store, and its uploads
/// `local-PID-...`.
fn writer(name: &str) -> Option<u32> {
    if let Some(rest) = name.strip_prefix("local-") {
        return rest.split('-').next()?.parse().ok();
    }
    let middle = name.strip_prefix('.')?.strip_suffix(".tmp")?;
    let (front, last) = middle.rsplit_once('.')?;
    let last: u32 = last.parse().ok()?;
    Some(front.parse().unwrap_or(last))
}

#[cfg(target_os = "linux")]
fn is_gone(process: u32) -> bool {
    !Path::new("/proc").join(process.to_string()).exists()
}

/// Where processes cannot be looked up, only those of this one are known: none of them is a leftover.
#[cfg(not(target_os = "linux"))]
fn is_gone(_: u32) -> bool {
    false
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn only_what_dead_processes_left_unfinished_goes() {
        let dir = tempfile::tempdir().unwrap();
        let lab = lab::Lab::parse(Path::new("airlab.toml"), lab::DEMO).unwrap();
        let files = Layout::of(&lab, dir.path());
        let path = |name: &str| files.root().join(name);
        let me = std::process::id();
        let gone = [
            ".installer.iso.4194305.tmp",
            "pki/ca/.ca.key.4194305.tmp",
            "ssh/.id_ed25519.4194305.tmp",
            "nodes/master/.master.vmdk.4194305.tmp",
            "registry/docker/registry/v2/repositories/a/_uploads/local-4194305-ab/data",
            "registry/docker/registry/v2/blobs/sha256/ab/abcd/.4194305.7.tmp",
        ];
        let kept = [
            format!("pki/.ca.key.{me}.tmp"),
            format!("registry/b/_uploads/local-{me}-cd/data"),
            "registry/c/_uploads/0123456789abcdef0123456789abcdef/data".into(),
            ".notes.tmp".into(),
            "my.4194305.tmp".into(),
            "provider/.x.4194305.tmp".into(),
            "somebody/elses/.x.4194305.tmp".into(),
        ];
        for name in gone.iter().map(|n| (*n).to_owned()).chain(kept.clone()) {
            std::fs::create_dir_all(path(&name).parent().unwrap()).unwrap();
            std::fs::write(path(&name), "x").unwrap();
        }
        sweep(&files);
        assert!(gone.iter().all(|n| !path(n).exists()));
        assert!(!path("registry/docker/registry/v2/repositories/a/_uploads").exists());
        for name in &kept {
            assert!(path(name).exists(), "{name}");
        }
    }
}
