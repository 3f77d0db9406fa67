//! What can be wrong with a kubeconfig file.

use std::path::PathBuf;

use steps::Problem;

/// The id of every problem this crate can report.
pub const PROBLEMS: &[&str] = &["AL-CFG-001", "AL-CFG-002", "AL-CFG-003", "AL-CFG-004"];

/// A kubeconfig could not be read, edited or written.
#[derive(Debug, thiserror::Error)]
pub enum KubecfgError {
    /// It is not a kubeconfig.
    #[error("not a kubeconfig: {reason}")]
    NotAKubeconfig {
        /// What is wrong with it.
        reason: String,
    },
    /// It is valid, but laid out in a way that cannot be edited without rewriting what is not ours.
    #[error("line {line} cannot be edited as text: {reason}")]
    Layout {
        /// Counted from 1.
        line: usize,
        /// What is unusual there.
        reason: &'static str,
    },
    /// It holds an entry of our name that is not ours.
    #[error("{section} already holds a {name} that is not ours")]
    Taken {
        /// `clusters`, `users` or `contexts`.
        section: &'static str,
        /// The name.
        name: String,
    },
    /// The file could not be read or written.
    #[error("{}: cannot be read or written", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

impl Problem for KubecfgError {
    fn id(&self) -> &'static str {
        match self {
            Self::NotAKubeconfig { .. } => "AL-CFG-001",
            Self::Layout { .. } => "AL-CFG-002",
            Self::Taken { .. } => "AL-CFG-003",
            Self::File { .. } => "AL-CFG-004",
        }
    }

    fn args(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::NotAKubeconfig { reason } => vec![("reason", reason.clone())],
            Self::Layout { line, reason } => vec![("line", line.to_string()), ("reason", (*reason).to_owned())],
            Self::Taken { section, name } => vec![("section", (*section).to_owned()), ("name", name.clone())],
            Self::File { path, .. } => vec![("path", path.display().to_string())],
        }
    }
}
