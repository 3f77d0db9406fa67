//! Reading and writing small files, with the path in every error.

use std::fs;
use std::path::Path;

use crate::Failure;

pub(crate) fn read(path: &Path) -> Result<String, Failure> {
    let bytes = fs::read(path).map_err(|source| Failure::File { path: path.into(), doing: "not read", source })?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Writes into a file of the kernel's (cgroups), which must not be replaced.
pub(crate) fn put(path: &Path, text: &str) -> Result<(), Failure> {
    fs::write(path, text).map_err(|source| Failure::File { path: path.into(), doing: "not written", source })
}

/// Writes a file of ours whole or not at all; other users may not read it.
pub(crate) fn save(path: &Path, text: &str) -> Result<(), Failure> {
    machine::write_file(path, text.as_bytes(), 0o600).map_err(Failure::host(format!("writing {}", path.display())))?;
    Ok(())
}

pub(crate) fn dir(path: &Path) -> Result<(), Failure> {
    fs::create_dir_all(path).map_err(|source| Failure::File { path: path.into(), doing: "not made", source })
}
