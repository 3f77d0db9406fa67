//! What can go wrong with keys and certificates.

use std::path::{Path, PathBuf};

use steps::Problem;

/// Every id of this crate.
pub const PROBLEMS: &[&str] = &["AL-PKI-001", "AL-PKI-002", "AL-PKI-003", "AL-PKI-004", "AL-PKI-005", "AL-PKI-006"];

/// A key or certificate could not be made, read or trusted.
#[derive(Debug, thiserror::Error)]
pub enum PkiError {
    /// A certificate's life is over, or has not begun by the clock given.
    #[error("{}: valid from {not_before} to {not_after} only", path.display())]
    Expired {
        /// The certificate.
        path: PathBuf,
        /// First moment, RFC 3339.
        not_before: String,
        /// Last moment, RFC 3339.
        not_after: String,
    },
    /// A file is well formed but belongs to something else than what was asked for.
    #[error("{}: {why}", path.display())]
    Mismatch {
        /// The file.
        path: PathBuf,
        /// What does not fit.
        why: String,
    },
    /// A file that should hold a certificate, key or token does not.
    #[error("{}: {why}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// A file could not be written.
    #[error("{}: not written", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The key generator or the certificate writer refused.
    #[error("{what}: not made: {why}")]
    Generate {
        /// What was to be made.
        what: String,
        /// Why not.
        why: String,
    },
    /// A name was asked for that the authority's name constraints rule out.
    #[error("{name} is outside of what {authority} may certify")]
    Outside {
        /// The address or host name.
        name: String,
        /// The authority's subject.
        authority: String,
    },
}

impl PkiError {
    pub(crate) fn mismatch(path: &Path, why: impl Into<String>) -> Self {
        Self::Mismatch { path: path.to_owned(), why: why.into() }
    }

    pub(crate) fn unreadable(path: &Path, why: impl ToString) -> Self {
        Self::Unreadable { path: path.to_owned(), why: why.to_string() }
    }

    pub(crate) fn generate(what: &str, why: impl ToString) -> Self {
        Self::Generate { what: what.to_owned(), why: why.to_string() }
    }
}

impl Problem for PkiError {
    fn id(&self) -> &'static str {
        match self {
            Self::Expired { .. } => PROBLEMS[0],
            Self::Mismatch { .. } => PROBLEMS[1],
            Self::Unreadable { .. } => PROBLEMS[2],
            Self::Write { .. } => PROBLEMS[3],
            Self::Generate { .. } => PROBLEMS[4],
            Self::Outside { .. } => PROBLEMS[5],
        }
    }

    fn args(&self) -> Vec<(&'static str, String)> {
        let path = |p: &Path| ("path", p.display().to_string());
        match self {
            Self::Expired { path: p, not_before, not_after } => {
                vec![path(p), ("not_before", not_before.clone()), ("not_after", not_after.clone())]
            }
            Self::Mismatch { path: p, why } | Self::Unreadable { path: p, why } => vec![path(p), ("why", why.clone())],
            Self::Write { path: p, source } => vec![path(p), ("why", source.to_string())],
            Self::Generate { what, why } => vec![("what", what.clone()), ("why", why.clone())],
            Self::Outside { name, authority } => vec![("name", name.clone()), ("authority", authority.clone())],
        }
    }
}
