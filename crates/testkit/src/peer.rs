//! Other programs as judges of what we made.

use std::ffi::OsString;
use std::time::Duration;

use machine::{Cmd, ExecError, Local, Output};

/// Runs another program to its end. `None`, with a printed reason, where it is not installed: the test then has one
/// judge less.
///
/// # Panics
/// When the program cannot be run for another reason.
pub fn peer<I, S>(program: &str, args: I) -> Option<Output>
where
    I: IntoIterator<Item = S>,
    S: Into<OsString>,
{
    match Local.run(&Cmd::new(program).args(args).timeout(Duration::from_secs(120))) {
        Ok(output) => Some(output),
        Err(ExecError::NotFound { .. }) => {
            skipped(program);
            None
        }
        Err(error) => panic!("{error}"),
    }
}

#[expect(clippy::print_stderr, reason = "a test's reader should see which judge was missing")]
fn skipped(program: &str) {
    eprintln!("skipped a judge: {program} is not installed");
}
