//! When certificates end.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::{PkiError, facts};

/// The end of one certificate's life.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expiry {
    /// The certificate's file.
    pub path: PathBuf,
    /// Its subject, `CN=...`.
    pub subject: String,
    /// Its last moment.
    pub not_after: SystemTime,
    /// Its last moment, RFC 3339.
    pub until: String,
    /// Whole days left at the moment asked about; negative when over.
    pub days_left: i64,
}

/// Every certificate (`*.crt`) below `dir`, the next to end first. Links are not followed.
///
/// # Errors
/// [`PkiError::Unreadable`] for a folder or certificate that cannot be read.
pub fn expiries(dir: &Path, now: SystemTime) -> Result<Vec<Expiry>, PkiError> {
    let mut found = Vec::new();
    collect(dir, now, &mut found)?;
    found.sort_by(|a, b| (a.not_after, &a.path).cmp(&(b.not_after, &b.path)));
    Ok(found)
}

fn collect(dir: &Path, now: SystemTime, found: &mut Vec<Expiry>) -> Result<(), PkiError> {
    let unreadable = |e: std::io::Error| PkiError::unreadable(dir, e);
    for entry in std::fs::read_dir(dir).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let (path, kind) = (entry.path(), entry.file_type().map_err(unreadable)?);
        if kind.is_dir() {
            collect(&path, now, found)?;
        } else if kind.is_file() && path.extension().is_some_and(|e| e == "crt") {
            let pem = std::fs::read_to_string(&path).map_err(|e| PkiError::unreadable(&path, e))?;
            let facts = facts::read(&path, &pem)?;
            let days_left = match facts.not_after.duration_since(now) {
                Ok(left) => (left.as_secs() / 86_400) as i64,
                Err(past) => -((past.duration().as_secs() / 86_400) as i64) - 1,
            };
            let until = facts::rfc3339(facts.not_after);
            found.push(Expiry { path, subject: facts.subject, not_after: facts.not_after, until, days_left });
        }
    }
    Ok(())
}
