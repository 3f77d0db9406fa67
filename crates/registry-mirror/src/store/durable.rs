//! Files that are there whole, also after a power cut.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

/// Moves a file that is already flushed to its place; both folders' entries are flushed too.
pub(super) fn rename(from: &Path, to: &Path) -> io::Result<()> {
    let dir = to.parent().unwrap_or(Path::new("."));
    let made = !dir.exists();
    fs::create_dir_all(dir)?;
    fs::rename(from, to)?;
    sync_dir(dir)?;
    // New folders are entries of their parents; two levels up cover a blob's `xx/<hex>` and a link's `<tag>/current`.
    for dir in dir.ancestors().skip(1).take(if made { 2 } else { 0 }) {
        sync_dir(dir)?;
    }
    Ok(())
}

/// Writes a small file by way of a temporary one beside it.
pub(super) fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let dir = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(dir)?;
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let temporary = dir.join(format!(".{}.{count}.tmp", std::process::id()));
    let mut file = File::create(&temporary)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    drop(file);
    rename(&temporary, path).inspect_err(|_| drop(fs::remove_file(&temporary)))
}

#[cfg(unix)]
fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

/// NTFS keeps folder entries in its journal; there is nothing to flush.
#[cfg(not(unix))]
fn sync_dir(_: &Path) -> io::Result<()> {
    Ok(())
}
