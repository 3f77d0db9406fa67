//! Files written whole or not at all.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::IsoError;

/// A file being made beside its final place; it disappears unless [`Pending::finish`] is reached.
pub(crate) struct Pending {
    target: PathBuf,
    temporary: PathBuf,
    done: bool,
}

impl Pending {
    pub(crate) fn new(target: &Path) -> Result<Self, IsoError> {
        let dir = target.parent().filter(|d| !d.as_os_str().is_empty()).unwrap_or(Path::new("."));
        fs::create_dir_all(dir).map_err(|source| io(target, "create the folder of", source))?;
        let name = target.file_name().unwrap_or_default().to_string_lossy();
        let temporary = dir.join(format!(".{name}.{}.tmp", std::process::id()));
        let _ = fs::remove_file(&temporary);
        Ok(Self { target: target.to_owned(), temporary, done: false })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.temporary
    }

    /// Flushes the file to disk and puts it in its place.
    pub(crate) fn finish(mut self, file: File) -> Result<(), IsoError> {
        file.sync_all().map_err(|source| io(&self.target, "write", source))?;
        drop(file);
        fs::rename(&self.temporary, &self.target).map_err(|source| io(&self.target, "rename to", source))?;
        self.done = true;
        Ok(())
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        if !self.done {
            let _ = fs::remove_file(&self.temporary);
        }
    }
}

/// Writes a file only this user can read; says whether anything changed.
pub(crate) fn write_private(path: &Path, bytes: &[u8]) -> Result<bool, IsoError> {
    if fs::read(path).is_ok_and(|old| old == bytes) && is_private(path) {
        return Ok(false);
    }
    let pending = Pending::new(path)?;
    let mut options = File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let fail = |source| io(path, "write", source);
    let mut file = options.open(pending.path()).map_err(fail)?;
    file.write_all(bytes).map_err(fail)?;
    pending.finish(file)?;
    Ok(true)
}

#[cfg(unix)]
fn is_private(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    fs::metadata(path).is_ok_and(|m| m.permissions().mode() & 0o077 == 0)
}

#[cfg(not(unix))]
fn is_private(_: &Path) -> bool {
    true
}

pub(crate) fn io(path: &Path, doing: &'static str, source: std::io::Error) -> IsoError {
    IsoError::Io { path: path.to_owned(), doing, source }
}
