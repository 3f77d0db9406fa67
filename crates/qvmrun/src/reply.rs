//! What a call answers.

use std::fmt::Write;

use steps::Problem;

/// What the program prints and the exit code it ends with.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reply {
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
    /// Exit code: 0, 1 or 2 (wrong use) for verbs of ours, 255 for vmrun's own failures.
    pub code: u8,
    /// Whether the output is in the code page of a Korean Windows; a fault for tests.
    pub(crate) cp949: bool,
}

impl Reply {
    /// Standard output and standard error as bytes.
    pub fn bytes(&self) -> (Vec<u8>, Vec<u8>) {
        #[cfg(target_os = "linux")]
        if self.cp949 {
            let page = |text| encoding_rs::EUC_KR.encode(text).0.into_owned(); // the web's EUC-KR is code page 949
            return (page(&self.stdout), page(&self.stderr));
        }
        (self.stdout.clone().into_bytes(), self.stderr.clone().into_bytes())
    }

    /// A success with this output.
    #[cfg(target_os = "linux")]
    pub(crate) fn ok(stdout: impl Into<String>) -> Self {
        Self { stdout: stdout.into(), ..Self::default() }
    }

    /// A failure of one of our own verbs: id and the chain of causes in one line on standard error.
    pub(crate) fn failed(problem: &dyn Problem) -> Self {
        let mut line = format!("qvmrun: {}: {problem}", problem.id());
        let mut cause = problem.source();
        while let Some(error) = cause {
            let _ = write!(line, ": {error}");
            cause = error.source();
        }
        let code = if problem.id() == "AL-QVM-006" { 2 } else { 1 };
        Self { stderr: line + "\n", code, ..Self::default() }
    }
}
