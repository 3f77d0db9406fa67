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
///
/// # Errors
/// [`KubecfgError::File`]; [`KubecfgError::NotAKubeconfig`] where it is no UTF-8.
pub fn read(path: &Path) -> Result<String, KubecfgError> {
    match fs::read(path) {
        Ok(bytes) => text(bytes),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(String::new()),
        Err(source) => Err(KubecfgError::File { path: path.to_owned(), source }),
    }
}

/// The bytes of a kubeconfig as text.
///
/// # Errors
/// [`KubecfgError::NotAKubeconfig`] where they are no UTF-8.
pub fn text(bytes: Vec<u8>) -> Result<String, KubecfgError> {
    let wide = bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]);
    String::from_utf8(bytes).map_err(|_| KubecfgError::NotAKubeconfig {
        reason: if wide { "it is UTF-16, as PowerShell's > writes" } else { "it is not UTF-8" }.to_owned(),
    })
}

/// Writes the text atomically, readable by its owner alone, through a symbolic link to where it leads. The former
/// bytes are kept as `PATH.airlab-backup`. An empty text removes the file.
///
/// # Errors
/// [`KubecfgError::ReadOnly`] where somebody took the right to write from the file, [`KubecfgError::File`] for the rest.
pub fn save(path: &Path, text: &str) -> Result<Saved, KubecfgError> {
    let path = fs::canonicalize(path).unwrap_or_else(|_| link_end(path));
    let fail = |source| KubecfgError::File { path: path.clone(), source };
    let old = read(&path)?;
    if old == text {
        return Ok(Saved { changed: false, backup: None });
    }
    if fs::metadata(&path).is_ok_and(|file| file.permissions().readonly()) {
        return Err(KubecfgError::ReadOnly { path });
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

/// Where a link leads whose end does not exist yet.
fn link_end(path: &Path) -> PathBuf {
    let beside = path.parent().unwrap_or(Path::new(""));
    fs::read_link(path).map_or_else(|_| path.to_owned(), |to| beside.join(to))
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
    #[cfg(unix)]
    if let Ok(old) = fs::metadata(path).or_else(|_| fs::metadata(dir)) {
        // root, on behalf of somebody else: the file stays theirs
        use std::os::unix::fs::MetadataExt;
        let _ = std::os::unix::fs::fchown(&file, Some(old.uid()), Some(old.gid()));
    }
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    drop(file);
    fs::rename(&new, path)
}
