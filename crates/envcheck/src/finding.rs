//! What a check found.

use serde::Serialize;
use steps::Problem;

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// As wanted.
    Good,
    /// Could not be looked at here.
    NotChecked,
    /// Works, but a person should know.
    Warning,
    /// What was asked for will not work.
    Error,
}

/// The checks, in the order in which they are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Check {
    /// The user this process runs as.
    Root,
    /// Installed packages.
    Packages,
    /// Available memory.
    Memory,
    /// Free disk.
    Disk,
    /// A kernel feature.
    Kernel,
    /// A port to listen on.
    Port,
    /// The clock.
    Clock,
    /// The kind of control groups.
    Cgroup,
    /// Hardware virtualisation.
    Virtualisation,
}

impl Check {
    /// The id under which the catalogue explains this check's finding.
    pub fn id(self) -> &'static str {
        match self {
            Self::Root => "AL-ENV-001",
            Self::Packages => "AL-ENV-002",
            Self::Memory => "AL-ENV-003",
            Self::Disk => "AL-ENV-004",
            Self::Kernel => "AL-ENV-005",
            Self::Port => "AL-ENV-006",
            Self::Clock => "AL-ENV-007",
            Self::Cgroup => "AL-ENV-008",
            Self::Virtualisation => "AL-ENV-009",
        }
    }
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize)]
#[error("{subject}: found {found}, wanted {wanted}")]
pub struct Finding {
    /// Which check.
    pub check: Check,
    /// How much it matters.
    pub level: Level,
    /// What was looked at: a package list, a path, an address, a feature.
    pub subject: String,
    /// What is there.
    pub found: String,
    /// What is wanted.
    pub wanted: String,
    /// What the remedy's command acts on, such as the names to install.
    pub remedy: String,
}

impl Finding {
    pub(crate) fn new(check: Check, level: Level, subject: impl Into<String>) -> Self {
        let empty = String::new;
        Self { check, level, subject: subject.into(), found: empty(), wanted: empty(), remedy: empty() }
    }

    pub(crate) fn found(mut self, found: impl Into<String>) -> Self {
        self.found = found.into();
        self
    }

    pub(crate) fn wanted(mut self, wanted: impl Into<String>) -> Self {
        self.wanted = wanted.into();
        self
    }

    pub(crate) fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = remedy.into();
        self
    }

    /// What cannot be seen from here.
    pub(crate) fn not_checked(check: Check, subject: impl Into<String>) -> Self {
        Self::new(check, Level::NotChecked, subject).found("not checked here")
    }
}

impl Problem for Finding {
    fn id(&self) -> &'static str {
        self.check.id()
    }

    fn args(&self) -> Vec<(&'static str, String)> {
        vec![
            ("subject", self.subject.clone()),
            ("found", self.found.clone()),
            ("wanted", self.wanted.clone()),
            ("remedy", self.remedy.clone()),
        ]
    }
}

/// Everything that was looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The findings, in the order of the checks.
    pub findings: Vec<Finding>,
}

impl Report {
    /// The findings of one level.
    pub fn of(&self, level: Level) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(move |f| f.level == level)
    }

    /// Nothing, or one error that holds every finding of level [`Level::Error`].
    pub fn fit(&self) -> Result<(), Unfit> {
        let errors: Vec<Finding> = self.of(Level::Error).cloned().collect();
        if errors.is_empty() { Ok(()) } else { Err(Unfit(errors)) }
    }
}

/// The host is not fit for what was asked: every error of a [`Report`], at least one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.0.iter().map(Finding::to_string).collect::<Vec<_>>().join("; "))]
pub struct Unfit(Vec<Finding>);

impl Unfit {
    /// What is wrong, in the order of the checks.
    pub fn findings(&self) -> &[Finding] {
        &self.0
    }
}

impl Problem for Unfit {
    fn id(&self) -> &'static str {
        self.0.first().map_or(Check::Root, |f| f.check).id()
    }

    fn args(&self) -> Vec<(&'static str, String)> {
        self.0.first().map(Finding::args).unwrap_or_default()
    }

    fn also(&self) -> Vec<&dyn Problem> {
        self.0.iter().skip(1).map(|f| f as &dyn Problem).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_with_errors_names_all_of_them() {
        let finding = |check, level| Finding::new(check, level, "x");
        let mut report = Report { findings: vec![finding(Check::Clock, Level::Warning)] };
        assert!(report.fit().is_ok());
        report.findings.push(finding(Check::Root, Level::Error));
        report.findings.push(finding(Check::Memory, Level::Error));
        let unfit = report.fit().unwrap_err();
        assert_eq!((unfit.id(), unfit.also()[0].id()), ("AL-ENV-001", "AL-ENV-003"));
    }
}
