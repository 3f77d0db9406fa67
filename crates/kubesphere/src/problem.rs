//! What can go wrong between a chart and a console.

use std::path::PathBuf;

use kubeapi::ApiError;
use machine::FileError;
use steps::{Problem, TimedOut};

/// The id of every problem this crate can report, but for those of `kubeapi`, `machine` and `steps` that it passes on.
pub const PROBLEMS: &[&str] =
    &["AL-KS-001", "AL-KS-002", "AL-KS-003", "AL-KS-004", "AL-KS-005", "AL-KS-006", "AL-KS-007", "AL-KS-008"];

/// KubeSphere could not be installed, asked or removed.
#[derive(Debug, thiserror::Error)]
pub enum KubeSphereError {
    /// The API did not answer as it should.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// Something did not become true in time.
    #[error(transparent)]
    TimedOut(#[from] TimedOut),
    /// The password could not be kept.
    #[error(transparent)]
    File(#[from] FileError),
    /// The file is not the chart.
    #[error("{}: {reason}", path.display())]
    NotTheChart {
        /// The file.
        path: PathBuf,
        /// What it is instead.
        reason: String,
    },
    /// A file could not be read.
    #[error("{}: not read", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A value could not be written as YAML, or a random number not be had.
    #[error("{what}")]
    Made {
        /// What could not be made.
        what: String,
    },
    /// The cluster has no Helm controller: it is not k3s, or that is switched off.
    #[error("no HelmChart is served")]
    NoController,
    /// The install is stuck, and this is why.
    #[error("{object}: {cause}")]
    Stuck {
        /// What is stuck, `Pod kubesphere-system/ks-console-...`.
        object: String,
        /// The image that it is about; empty where it is about none.
        image: String,
        /// Why.
        cause: String,
        /// The other findings, one line each.
        others: String,
    },
    /// The console or its API does not answer as it should.
    #[error("{url}: {last}")]
    Console {
        /// The address that was asked.
        url: String,
        /// What it answered.
        last: String,
    },
    /// The administrator's password was refused.
    #[error("{url} refuses the administrator's password")]
    Refused {
        /// The address that was asked.
        url: String,
    },
    /// An extension that is not there, or that needs itself.
    #[error("extension {name}: {reason}")]
    Extension {
        /// The extension.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
}

impl Problem for KubeSphereError {
    fn id(&self) -> &'static str {
        match self {
            Self::Api(e) => e.id(),
            Self::TimedOut(e) => e.id(),
            Self::File(e) => e.id(),
            Self::NotTheChart { .. } => "AL-KS-001",
            Self::Read { .. } => "AL-KS-002",
            Self::Made { .. } => "AL-KS-003",
            Self::NoController => "AL-KS-004",
            Self::Stuck { .. } => "AL-KS-005",
            Self::Console { .. } => "AL-KS-006",
            Self::Refused { .. } => "AL-KS-007",
            Self::Extension { .. } => "AL-KS-008",
        }
    }

    fn args(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::Api(e) => e.args(),
            Self::TimedOut(e) => e.args(),
            Self::File(e) => e.args(),
            Self::NotTheChart { path, reason } => {
                vec![("path", path.display().to_string()), ("reason", reason.clone())]
            }
            Self::Read { path, .. } => vec![("path", path.display().to_string())],
            Self::Made { what } => vec![("what", what.clone())],
            Self::NoController => vec![],
            Self::Stuck { object, image, cause, others } => {
                let or_none = |text: &String| if text.is_empty() { "-".to_owned() } else { text.clone() };
                vec![
                    ("object", object.clone()),
                    ("image", or_none(image)),
                    ("cause", cause.clone()),
                    ("others", or_none(others)),
                ]
            }
            Self::Console { url, last } => vec![("url", url.clone()), ("last", last.clone())],
            Self::Refused { url } => vec![("url", url.clone())],
            Self::Extension { name, reason } => vec![("name", name.clone()), ("reason", reason.clone())],
        }
    }
}
