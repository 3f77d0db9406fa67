//! Why an offline part could not be made.

use std::path::PathBuf;

use steps::Problem;

/// Why an offline part could not be made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The parts are made with Linux programs only.
    #[error("the offline parts can be built on Linux only")]
    NotLinux,
    /// A file or folder of the cache could not be used.
    #[error("{}: not usable", path.display())]
    Cache {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Another builder held the part's lock for too long.
    #[error("{part} is being built by another process for more than {seconds} s")]
    Busy {
        /// The part.
        part: String,
        /// How long it was waited for, in seconds.
        seconds: u64,
    },
    /// A build script failed.
    #[error("{part}: {last}")]
    Build {
        /// The part.
        part: String,
        /// The last line it wrote.
        last: String,
        /// Its whole output.
        log: PathBuf,
        /// How it ended.
        #[source]
        source: Box<machine::ExecError>,
    },
    /// The machine has no Debian package source to build from.
    #[error("no Debian package source under /etc/apt")]
    NoSources,
    /// Packages that the builds call are not installed.
    #[error("not installed: {}", packages.join(" "))]
    Missing {
        /// Their names.
        packages: Vec<&'static str>,
    },
    /// The DNS server's program is not where this one is.
    #[error("no program demodns beside this one")]
    NoDns,
}

impl Error {
    pub(crate) fn cache(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Cache { path, source }
    }
}

impl Problem for Error {
    fn id(&self) -> &'static str {
        match self {
            Self::NotLinux => "AL-DEMO-001",
            Self::Cache { .. } => "AL-DEMO-002",
            Self::Busy { .. } => "AL-DEMO-003",
            Self::Build { .. } => "AL-DEMO-004",
            Self::NoSources => "AL-DEMO-005",
            Self::Missing { .. } => "AL-DEMO-006",
            Self::NoDns => "AL-DEMO-007",
        }
    }

    fn args(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::NotLinux | Self::NoSources | Self::NoDns => vec![],
            Self::Cache { path, source } => vec![("path", path.display().to_string()), ("reason", source.to_string())],
            Self::Busy { part, seconds } => vec![("part", part.clone()), ("seconds", seconds.to_string())],
            Self::Build { part, last, log, .. } => {
                vec![("part", part.clone()), ("last", last.clone()), ("log", log.display().to_string())]
            }
            Self::Missing { packages } => vec![("packages", packages.join(" "))],
        }
    }
}
