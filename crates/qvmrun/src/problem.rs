//! What can go wrong in qvmrun's own verbs.

use std::path::PathBuf;

use steps::Problem;

/// The ids of all problems of this crate.
pub const PROBLEMS: &[&str] = &[
    "AL-QVM-001",
    "AL-QVM-002",
    "AL-QVM-003",
    "AL-QVM-004",
    "AL-QVM-005",
    "AL-QVM-006",
    "AL-QVM-007",
    "AL-QVM-008",
    "AL-QVM-009",
    "AL-QVM-010",
    "AL-QVM-011",
];

/// Why one of qvmrun's own verbs, or the engine under a vmrun command, could not do its work.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// `QVMRUN_HOME` is not set and there is no home folder either.
    #[error("QVMRUN_HOME is not set")]
    NoHome,
    /// Not root.
    #[error("this needs root")]
    NotRoot,
    /// The lab's network is not there.
    #[error("the lab's network is not up")]
    NetworkDown,
    /// A program is not installed.
    #[error("{program} is not installed")]
    Missing {
        /// The program.
        program: String,
    },
    /// The network is up with other values, and machines are using it.
    #[error("the network is up as {have}, asked for {want}, and machines are running on it: {running}")]
    NetworkDiffers {
        /// What is there.
        have: String,
        /// What was asked for.
        want: String,
        /// The running machines.
        running: String,
    },
    /// An argument of a verb of ours is wrong.
    #[error("{what}")]
    Usage {
        /// What is wrong.
        what: String,
    },
    /// The engine cannot work on this host.
    #[error("the engine {engine} is not usable here: {why}")]
    Unusable {
        /// Its name.
        engine: String,
        /// What keeps it from working.
        why: String,
    },
    /// Something the host was asked to do failed.
    #[error("{doing}")]
    Host {
        /// What was being done.
        doing: String,
        /// Why it failed.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A file could not be read or written.
    #[error("{}: {doing}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// `read` or `written`, as in "not read".
        doing: &'static str,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Machines still run.
    #[error("machines are still running: {running}")]
    Running {
        /// Their .vmx files.
        running: String,
    },
    /// This is not Linux.
    #[error("Linux only")]
    LinuxOnly,
}

impl Problem for Failure {
    fn id(&self) -> &'static str {
        match self {
            Self::NoHome => "AL-QVM-001",
            Self::NotRoot => "AL-QVM-002",
            Self::NetworkDown => "AL-QVM-003",
            Self::Missing { .. } => "AL-QVM-004",
            Self::NetworkDiffers { .. } => "AL-QVM-005",
            Self::Usage { .. } => "AL-QVM-006",
            Self::Unusable { .. } => "AL-QVM-007",
            Self::Host { .. } => "AL-QVM-008",
            Self::File { .. } => "AL-QVM-009",
            Self::Running { .. } => "AL-QVM-010",
            Self::LinuxOnly => "AL-QVM-011",
        }
    }

    fn args(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::NoHome | Self::NotRoot | Self::NetworkDown | Self::LinuxOnly => Vec::new(),
            Self::Missing { program } => vec![("program", program.clone())],
            Self::NetworkDiffers { have, want, running } => {
                vec![("have", have.clone()), ("want", want.clone()), ("running", running.clone())]
            }
            Self::Usage { what } => vec![("what", what.clone())],
            Self::Unusable { engine, why } => vec![("engine", engine.clone()), ("why", why.clone())],
            Self::Host { doing, source } => vec![("doing", doing.clone()), ("cause", source.to_string())],
            Self::File { path, source, .. } => {
                vec![("path", path.display().to_string()), ("cause", source.to_string())]
            }
            Self::Running { running } => vec![("running", running.clone())],
        }
    }
}

#[cfg(target_os = "linux")]
impl Failure {
    /// Turns an error into a `Host` failure that names what was being done.
    pub(crate) fn host<E: Into<Box<dyn std::error::Error + Send + Sync>>>(
        doing: impl Into<String>,
    ) -> impl FnOnce(E) -> Self {
        let doing = doing.into();
        move |source| Self::Host { doing, source: source.into() }
    }

    /// Turns an error of an external program into the right failure.
    pub(crate) fn exec(doing: impl Into<String>) -> impl FnOnce(machine::ExecError) -> Self {
        let doing = doing.into();
        move |source| match source {
            machine::ExecError::NotFound { program } => Self::Missing { program },
            source => Self::Host { doing, source: source.into() },
        }
    }

    /// The chain of causes in one line.
    pub(crate) fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            text.push_str(": ");
            text.push_str(&error.to_string());
            cause = error.source();
        }
        text
    }
}
