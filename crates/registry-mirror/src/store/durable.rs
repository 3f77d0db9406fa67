//! Files that are there whole, also after a power cut.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

/// Moves a file that is already flushed to its place; both folders' entries are flushed too.
pub(super) fn rename(from: &Path, to: &Path) -> io::Result<()> {
    let dir = to.parent().unwrap_or(Path::new("."));
    let mut tries = 0;
    let made = loop {
        let made = dir.ancestors().take_while(|dir| !dir.exists()).count();
        match fs::create_dir_all(dir).and_then(|()| fs::rename(from, to)) {
            Ok(()) => break made,
            // The collector of garbage may have taken the folder away in between.
            Err(e) if e.kind() == ErrorKind::NotFound && from.exists() && tries < 10 => tries += 1,
            Err(e) => return Err(e),
        }
    };
    // The file is an entry of its folder, and every new folder one of its parent.
    dir.ancestors().take(made + 1).try_for_each(sync_dir)
}

/// Writes a small file by way of a temporary one beside it.
pub(super) fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut tries = 0;
    loop {
        match write_once(path, bytes) {
            Err(e) if e.kind() == ErrorKind::NotFound && tries < 10 => tries += 1,
            other => return other,
        }
    }
}

fn write_once(path: &Path, bytes: &[u8]) -> io::Result<()> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let dir = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(dir)?;
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let temporary = dir.join(format!(".{}.{count}.tmp", std::process::id()));
    let written = File::create(&temporary).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    written.and_then(|()| rename(&temporary, path)).inspect_err(|_| drop(fs::remove_file(&temporary)))
}

#[cfg(unix)]
fn sync_dir(dir: &Path) -> io::Result<()> {
    match File::open(dir) {
        // Taken away since: there is nothing left to flush.
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(()),
        other => other?.sync_all(),
    }
}

/// NTFS keeps folder entries in its journal; there is nothing to flush.
#[cfg(not(unix))]
fn sync_dir(_: &Path) -> io::Result<()> {
    Ok(())
}
