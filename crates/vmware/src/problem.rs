//! What can be wrong with a .vmx or a .vmdk.

use std::path::{Path, PathBuf};

use steps::Problem;

/// A .vmx file could not be read, understood or changed.
#[derive(Debug, thiserror::Error)]
pub enum VmxError {
    /// A line is neither `key = "value"` nor a comment.
    #[error("line {line} is not `key = \"value\"`: {text}")]
    Syntax {
        /// Line number, from 1.
        line: usize,
        /// The line.
        text: String,
    },
    /// The file's bytes are not UTF-8; its `.encoding` is another one.
    #[error("{}: not UTF-8 (.encoding = {encoding})", path.display())]
    Encoding {
        /// The file.
        path: PathBuf,
        /// What the file says about itself.
        encoding: String,
    },
    /// The file could not be read or written.
    #[error("{}: {doing}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// `read`, `write`, ...
        doing: &'static str,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// VMware holds the file: its lock folder did not go away.
    #[error("{}: still locked after {seconds} s", path.display())]
    Locked {
        /// The lock folder.
        path: PathBuf,
        /// How long it was waited for.
        seconds: u64,
    },
}

impl Problem for VmxError {
    fn id(&self) -> &'static str {
        match self {
            Self::Syntax { .. } => "AL-VMX-001",
            Self::Encoding { .. } => "AL-VMX-002",
            Self::Io { .. } => "AL-VMX-003",
            Self::Locked { .. } => "AL-VMX-004",
        }
    }

    fn args(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::Syntax { line, text } => vec![("line", line.to_string()), ("text", text.clone())],
            Self::Encoding { path, encoding } => vec![("path", shown(path)), ("encoding", encoding.clone())],
            Self::Io { path, doing, source } => {
                vec![("path", shown(path)), ("doing", (*doing).to_owned()), ("reason", source.to_string())]
            }
            Self::Locked { path, seconds } => vec![("path", shown(path)), ("seconds", seconds.to_string())],
        }
    }
}

/// A .vmdk could not be created or understood.
#[derive(Debug, thiserror::Error)]
pub enum VmdkError {
    /// The file could not be read or written; an existing file is never overwritten.
    #[error("{}: {doing}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// `read`, `create`, ...
        doing: &'static str,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file is not a disk of a kind we know.
    #[error("{}: {what}", path.display())]
    Unknown {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// The wanted size cannot be had.
    #[error("a disk of {bytes} bytes cannot be made")]
    Size {
        /// What was asked for.
        bytes: u64,
    },
}

impl Problem for VmdkError {
    fn id(&self) -> &'static str {
        match self {
            Self::Io { .. } => "AL-VMX-005",
            Self::Unknown { .. } => "AL-VMX-006",
            Self::Size { .. } => "AL-VMX-007",
        }
    }

    fn args(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::Io { path, doing, source } => {
                vec![("path", shown(path)), ("doing", (*doing).to_owned()), ("reason", source.to_string())]
            }
            Self::Unknown { path, what } => vec![("path", shown(path)), ("what", what.clone())],
            Self::Size { bytes } => vec![("bytes", bytes.to_string())],
        }
    }
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}
