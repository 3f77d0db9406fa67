//! What can be wrong with a kubeconfig file.

use std::path::PathBuf;

use steps::Problem;

/// The id of every problem this crate can report.
pub const PROBLEMS: &[&str] = &[
    "AL-CFG-001",
    "AL-CFG-002",
    "AL-CFG-003",
    "AL-CFG-004",
    "AL-CFG-005",
    "AL-CFG-010",
    "AL-CFG-011",
    "AL-CFG-012",
    "AL-CFG-013",
    "AL-CFG-014",
    "AL-CFG-015",
    "AL-CFG-016",
    "AL-CFG-017",
    "AL-CFG-018",
    "AL-CFG-019",
    "AL-CFG-020",
];

/// An entry of our name that is not ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// `clusters`, `users` or `contexts`.
    pub section: &'static str,
    /// A cluster's server, a context's cluster; empty for a user.
    pub leads_to: String,
    /// There are several of that name: nobody can say which one counts.
    pub twice: bool,
}

impl std::fmt::Display for Conflict {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.section)?;
        if !self.leads_to.is_empty() {
            write!(f, " -> {}", self.leads_to)?;
        }
        if self.twice { f.write_str(" (more than one)") } else { Ok(()) }
    }
}

fn told(conflicts: &[Conflict]) -> String {
    conflicts.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

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
    /// It holds entries of our name that are not ours.
    #[error("{name} is somebody else's: {}", told(conflicts))]
    Taken {
        /// The name.
        name: String,
        /// Every one of them.
        conflicts: Vec<Conflict>,
    },
    /// Somebody has made the file read-only.
    #[error("{}: read-only", path.display())]
    ReadOnly {
        /// The file.
        path: PathBuf,
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
            Self::ReadOnly { .. } => "AL-CFG-005",
        }
    }

    fn args(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::NotAKubeconfig { reason } => vec![("reason", reason.clone())],
            Self::Layout { line, reason } => vec![("line", line.to_string()), ("reason", (*reason).to_owned())],
            Self::Taken { name, conflicts } => vec![("name", name.clone()), ("conflicts", told(conflicts))],
            Self::File { path, .. } | Self::ReadOnly { path } => vec![("path", path.display().to_string())],
        }
    }
}
