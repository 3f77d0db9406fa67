//! What a tool ends with when something went wrong.

use std::fmt;

use steps::Problem;

/// Ids of the problems that belong to the tools themselves.
pub(crate) const PROBLEMS: &[&str] = &["AL-CLI-001", "AL-CLI-002", "AL-CLI-003", "AL-CLI-004", "AL-CLI-005"];

/// Any [`Problem`], boxed so that `?` turns every library's error into it.
pub struct Failure(Box<dyn Problem>);

impl Failure {
    /// The problem inside.
    pub fn problem(&self) -> &dyn Problem {
        &*self.0
    }

    /// This verb is not there yet: exit code 2.
    pub fn not_yet(verb: &str) -> Self {
        NotYet { verb: verb.to_owned() }.into()
    }

    /// A person was asked to type `name` to confirm, and did not.
    pub fn declined(name: &str) -> Self {
        Declined { name: name.to_owned() }.into()
    }

    /// The system refused something that no library names; `doing` says what was tried (`writing the result`).
    pub fn system(doing: impl Into<String>, source: std::io::Error) -> Self {
        System { doing: doing.into(), source }.into()
    }
}

impl<P: Problem> From<P> for Failure {
    fn from(problem: P) -> Self {
        Self(Box::new(problem))
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Failure({}: {})", self.0.id(), self.0)
    }
}

#[derive(Debug, thiserror::Error)]
#[error("{verb}: not yet")]
struct NotYet {
    verb: String,
}

impl Problem for NotYet {
    fn id(&self) -> &'static str {
        "AL-CLI-001"
    }

    fn args(&self) -> Vec<(&'static str, String)> {
        vec![("verb", self.verb.clone())]
    }
}

#[derive(Debug, thiserror::Error)]
#[error("{doing} failed")]
struct System {
    doing: String,
    source: std::io::Error,
}

impl Problem for System {
    fn id(&self) -> &'static str {
        "AL-CLI-002"
    }

    fn args(&self) -> Vec<(&'static str, String)> {
        vec![("doing", self.doing.clone())]
    }
}

/// A person pressed Ctrl-C.
#[derive(Debug, thiserror::Error)]
#[error("interrupted")]
pub(crate) struct Interrupted {
    pub(crate) command: String,
}

impl Problem for Interrupted {
    fn id(&self) -> &'static str {
        "AL-CLI-003"
    }

    fn args(&self) -> Vec<(&'static str, String)> {
        vec![("command", self.command.clone())]
    }
}

#[derive(Debug, thiserror::Error)]
#[error("not confirmed by typing {name}")]
struct Declined {
    name: String,
}

impl Problem for Declined {
    fn id(&self) -> &'static str {
        "AL-CLI-004"
    }

    fn args(&self) -> Vec<(&'static str, String)> {
        vec![("name", self.name.clone())]
    }
}

/// A lab file was to be changed, and is not one that can be.
#[derive(Debug, thiserror::Error)]
#[error("{file}: {why}")]
pub(crate) struct LabFile {
    file: String,
    why: String,
}

impl LabFile {
    pub(crate) fn new(file: &std::path::Path, why: String) -> Self {
        Self { file: file.display().to_string(), why }
    }
}

impl Problem for LabFile {
    fn id(&self) -> &'static str {
        "AL-CLI-005"
    }

    fn args(&self) -> Vec<(&'static str, String)> {
        vec![("file", self.file.clone()), ("why", self.why.clone())]
    }
}
