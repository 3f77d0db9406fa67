//! Reading and writing the file itself.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use crate::KubecfgError;

/// What [`save`] did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Saved {
    /// Whether the file's bytes changed.
    pub changed: bool,
    /// Where its former bytes are, when it changed and existed.
    pub backup: Option<PathBuf>,
}

/// The file's text; empty when there is none.
pub fn read(path: &Path) -> Result<String, KubecfgError> {
    match fs::read_to_string(path) {
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(String::new()),
        other => other.map_err(|source| KubecfgError::File { path: path.to_owned(), source }),
    }
}

/// Writes the text atomically, readable by its owner alone, through a symbolic link to where it leads. The former
/// bytes are kept as `PATH.airlab-backup`. An empty text removes the file.
pub fn save(path: &Path, text: &str) -> Result<Saved, KubecfgError> {
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let fail = |source| KubecfgError::File { path: path.clone(), source };
    let old = read(&path)?;
    if old == text {
        return Ok(Saved { changed: false, backup: None });
    }
    let mut backup = None;
    if !old.is_empty() {
        let beside = path.with_added_extension("airlab-backup");
        write(&beside, &old).map_err(fail)?;
        backup = Some(beside);
    }
    if text.is_empty() {
        fs::remove_file(&path).map_err(fail)?;
    } else {
        write(&path, text).map_err(fail)?;
    }
    Ok(Saved { changed: true, backup })
}

fn write(path: &Path, text: &str) -> std::io::Result<()> {
    let dir = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(dir)?;
    // Always the same name: what a killed run left is in the way of nobody.
    let new = path.with_added_extension("airlab-new");
    let _ = fs::remove_file(&new);
    let mut options = File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&new)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    drop(file);
    fs::rename(&new, path)
}
