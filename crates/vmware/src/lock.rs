//! VMware's locks: a folder `X.lck` beside every file a machine holds. Never removed here: only VMware knows whose they
//! are.

use std::path::{Path, PathBuf};
use std::time::Duration;

use steps::{Silent, Wait, wait_for};

use crate::VmxError;

const BEAT: Duration = Duration::from_millis(150);

/// The lock folder of a file.
fn lock_of(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!("{name}.lck"))
}

/// Waits until the file's own lock is gone.
pub(crate) async fn free(path: &Path, patience: Duration) -> Result<(), VmxError> {
    let lock = lock_of(path);
    if !lock.exists() {
        return Ok(());
    }
    let wait = Wait::new(format!("{} to go", lock.display()), patience).every(BEAT);
    let gone = || {
        let there = lock.exists();
        async move { if there { Err("locked".to_owned()) } else { Ok(()) } }
    };
    let held = |_| VmxError::Locked { path: lock.clone(), seconds: patience.as_secs() };
    wait_for(wait, &Silent, gone).await.map_err(held)
}

/// Waits until all locks in a machine's folder are gone. A .vmx's own lock may stay, as it does with some versions; and
/// locks that outlive the patience are for the next command to complain about.
pub(crate) async fn released(vmx: &Path, patience: Duration) {
    let wait = Wait::new(format!("locks of {} to go", vmx.display()), patience).every(BEAT);
    let all = || {
        let left = locks(vmx).into_iter().find(|l| *l != lock_of(vmx));
        async move { left.map_or(Ok(()), |l| Err(l.display().to_string())) }
    };
    let _ = wait_for(wait, &Silent, all).await;
}

/// The lock folders beside a .vmx.
fn locks(vmx: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(vmx.parent().unwrap_or(Path::new("."))).into_iter().flatten().flatten();
    entries.map(|e| e.path()).filter(|p| p.extension().is_some_and(|e| e == "lck")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    #[tokio::test]
    async fn a_disk_that_is_held_is_waited_for_and_a_lone_vmx_lock_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let vmx = dir.path().join("m.vmx");
        std::fs::create_dir(dir.path().join("m.vmx.lck")).unwrap();
        let start = Instant::now();
        released(&vmx, Duration::from_secs(5)).await;
        assert!(start.elapsed() < Duration::from_secs(2));
        std::fs::create_dir(dir.path().join("m.vmdk.lck")).unwrap();
        let start = Instant::now();
        released(&vmx, Duration::from_millis(400)).await;
        assert!(start.elapsed() >= Duration::from_millis(200));
    }
}
