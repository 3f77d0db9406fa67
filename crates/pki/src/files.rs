//! Files that appear whole, with their mode from the first moment on, and are never replaced.

use std::fs::{self, DirBuilder, File};
use std::io::{ErrorKind, Write};
use std::path::Path;

use crate::PkiError;

/// Mode of certificates.
pub(crate) const PUBLIC: u32 = 0o644;
/// Mode of keys and tokens.
pub(crate) const SECRET: u32 = 0o600;

/// Writes a file that does not exist yet. Folders that it makes are 0700.
pub(crate) fn write_new(path: &Path, bytes: &[u8], mode: u32) -> Result<(), PkiError> {
    let fail = |source| PkiError::Write { path: path.to_owned(), source };
    let dir = path.parent().unwrap_or(Path::new("."));
    make_dir(dir).map_err(fail)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let temporary = dir.join(format!(".{name}.{}.tmp", std::process::id()));
    let _ = fs::remove_file(&temporary);
    let mut options = File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, mode);
    #[cfg(not(unix))]
    let _ = mode;
    let mut file = options.open(&temporary).map_err(fail)?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(fail)?;
    drop(file);
    // A hard link, unlike a rename, refuses to replace what somebody else wrote meanwhile.
    let done = match fs::hard_link(&temporary, path) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => fs::rename(&temporary, path),
        other => other,
    };
    let _ = fs::remove_file(&temporary);
    done.map_err(fail)
}

/// The text of a file, or `None` where there is no such file.
pub(crate) fn read(path: &Path) -> Result<Option<String>, PkiError> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(PkiError::unreadable(path, error)),
    }
}

fn make_dir(dir: &Path) -> std::io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir)
}
