//! A run that is asked to end after one of its steps.

use steps::Problem;

use crate::Failure;

/// Why a run's steps end before the last one.
pub(crate) enum End {
    /// The step that was to be the last one is done.
    Wanted(String),
    Failed(Failure),
}

impl From<Failure> for End {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl<P: Problem> From<P> for End {
    fn from(problem: P) -> Self {
        Self::Failed(problem.into())
    }
}

/// The step that is to be the last one, if any is.
#[derive(Clone, Copy)]
pub(crate) struct Until<'a>(pub(crate) Option<&'a str>);

impl Until<'_> {
    /// Ends the run if this was to be its last step.
    pub(crate) fn after(self, step: &str) -> Result<(), End> {
        if self.0 == Some(step) { Err(End::Wanted(step.to_owned())) } else { Ok(()) }
    }
}
