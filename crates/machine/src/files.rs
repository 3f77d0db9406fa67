//! Files written whole or not at all.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use steps::Problem;

/// A file could not be written.
#[derive(Debug, thiserror::Error)]
#[error("{}: not written", path.display())]
pub struct FileError {
    /// The file.
    pub path: PathBuf,
    /// Why.
    #[source]
    pub source: std::io::Error,
}

impl Problem for FileError {
    fn id(&self) -> &'static str {
        "AL-EXE-006"
    }

    fn args(&self) -> Vec<(&'static str, String)> {
        vec![("path", self.path.display().to_string())]
    }
}

/// Writes the file atomically (temporary file beside it, flush to disk, rename) with the Unix permission bits `mode`
/// from its first moment on, and says whether anything changed. A file that holds these bytes is left alone.
///
/// ```
/// let dir = tempfile::tempdir().unwrap();
/// let path = dir.path().join("deep/key");
/// assert!(machine::write_file(&path, b"secret", 0o600).unwrap());
/// assert!(!machine::write_file(&path, b"secret", 0o600).unwrap());
/// ```
pub fn write_file(path: &Path, bytes: &[u8], mode: u32) -> Result<bool, FileError> {
    let fail = |source| FileError { path: path.to_owned(), source };
    if fs::read(path).is_ok_and(|old| old == bytes) && mode_is(path, mode) {
        return Ok(false);
    }
    let dir = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(dir).map_err(fail)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let temporary = dir.join(format!(".{name}.{}.tmp", std::process::id()));
    let _ = fs::remove_file(&temporary);
    let mut options = File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, mode);
    let mut file = options.open(&temporary).map_err(fail)?;
    file.write_all(bytes).map_err(fail)?;
    set_mode(&temporary, mode).map_err(fail)?;
    file.sync_all().map_err(fail)?;
    drop(file);
    fs::rename(&temporary, path).map_err(fail)?;
    Ok(true)
}

#[cfg(unix)]
fn mode_is(path: &Path, mode: u32) -> bool {
    use std::os::unix::fs::PermissionsExt;
    fs::metadata(path).is_ok_and(|m| m.permissions().mode() & 0o7777 == mode)
}

#[cfg(not(unix))]
fn mode_is(_: &Path, _: u32) -> bool {
    true
}

#[cfg(unix)]
fn set_mode(path: &Path, mode: u32) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
}

#[cfg(not(unix))]
fn set_mode(_: &Path, _: u32) -> std::io::Result<()> {
    Ok(())
}
