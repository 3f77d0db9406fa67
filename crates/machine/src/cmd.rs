//! Commands, their output, and the ways in which running one can fail.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use steps::Problem;

/// A program with its arguments, environment, standard input and deadline. No shell is involved.
///
/// ```
/// let cmd = machine::Cmd::new("vmrun").args(["-T", "ws", "list"]).timeout(std::time::Duration::from_secs(10));
/// assert_eq!(cmd.to_string(), "vmrun -T ws list");
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Cmd {
    pub(crate) program: OsString,
    pub(crate) args: Vec<OsString>,
    pub(crate) env: Vec<(OsString, OsString)>,
    pub(crate) unset: Vec<OsString>,
    pub(crate) dir: Option<PathBuf>,
    pub(crate) stdin: Option<Vec<u8>>,
    pub(crate) timeout: Duration,
}

impl Cmd {
    /// A command with no arguments and a deadline of 120 seconds.
    pub fn new(program: impl Into<OsString>) -> Self {
        Self {
            program: program.into(),
            args: Vec::new(),
            env: Vec::new(),
            unset: Vec::new(),
            dir: None,
            stdin: None,
            timeout: Duration::from_secs(120),
        }
    }

    /// Adds one argument.
    pub fn arg(mut self, arg: impl Into<OsString>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// Adds arguments.
    pub fn args<I, S>(mut self, args: I) -> Self
    where
        I: IntoIterator<Item = S>,
        S: Into<OsString>,
    {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// Sets one environment variable for the program.
    pub fn env(mut self, key: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.env.push((key.into(), value.into()));
        self
    }

    /// Keeps this environment variable of ours from the program. Of no use over SSH, where none of ours arrives.
    pub fn env_remove(mut self, key: impl Into<OsString>) -> Self {
        self.unset.push(key.into());
        self
    }

    /// Runs the program in this folder.
    pub fn dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.dir = Some(dir.into());
        self
    }

    /// Gives the program these bytes as standard input. Without it standard input is empty.
    /// Secrets go this way, never as arguments.
    pub fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.stdin = Some(bytes.into());
        self
    }

    /// Kills the program when it runs longer than this.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// The same command through `sudo -n`. Environment variables do not pass through sudo.
    pub fn as_root(mut self) -> Self {
        let program = std::mem::replace(&mut self.program, "sudo".into());
        let args = std::mem::take(&mut self.args);
        self.args = ["-n".into(), "--".into(), program].into_iter().chain(args).collect();
        self
    }

    /// The program and its arguments as text, program first.
    pub fn argv(&self) -> Vec<String> {
        std::iter::once(&self.program).chain(&self.args).map(|s| s.to_string_lossy().into_owned()).collect()
    }

    /// What it gets as standard input, for whoever runs it in another way.
    pub fn input(&self) -> Option<&[u8]> {
        self.stdin.as_deref()
    }

    /// The program's name as text.
    pub fn program(&self) -> String {
        self.program.to_string_lossy().into_owned()
    }
}

/// A word as a POSIX shell would read it back.
pub(crate) fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./:=@%+,".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

/// The command line in POSIX shell quoting; environment and standard input are left out.
impl std::fmt::Display for Cmd {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let words: Vec<String> = self.argv().iter().map(|w| quoted(w)).collect();
        f.write_str(&words.join(" "))
    }
}

/// As `Display`: standard input and environment may hold secrets.
impl std::fmt::Debug for Cmd {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Cmd({self})")
    }
}

/// What a program that ran to its end left behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// Exit code; 128 + signal where a signal ended it.
    pub code: i32,
    /// Standard output.
    pub stdout: Vec<u8>,
    /// Standard error.
    pub stderr: Vec<u8>,
}

impl Output {
    /// Standard output as text, without the line ends at its end.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).trim_end().to_owned()
    }

    /// Standard error as text, without the line ends at its end.
    pub fn error_text(&self) -> String {
        String::from_utf8_lossy(&self.stderr).trim_end().to_owned()
    }
}

/// Why a command gave no usable result. `NotStarted` and `Lost` are different on purpose: after `Lost` the outcome
/// is unknown and the world must be looked at before anything is tried again.
#[derive(Debug, thiserror::Error)]
pub enum ExecError {
    /// The program does not exist where it was looked for.
    #[error("{program}: no such program")]
    NotFound {
        /// What was to run.
        program: String,
    },
    /// The command certainly did not start.
    #[error("{program}: not started on {target}")]
    NotStarted {
        /// What was to run.
        program: String,
        /// `this host`, or the address of the machine.
        target: String,
        /// Why not.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The connection broke while the command ran: nobody knows what became of it.
    #[error("{program}: connection to {target} lost while it ran")]
    Lost {
        /// What ran.
        program: String,
        /// The machine.
        target: String,
    },
    /// It ran longer than allowed and was killed (here) or left alone (on another machine).
    #[error("{program}: no end after {} s on {target}", after.as_secs())]
    TimedOut {
        /// What ran.
        program: String,
        /// Where.
        target: String,
        /// The deadline.
        after: Duration,
    },
    /// It ran and answered with a failure.
    #[error("{program}: exit code {code} on {target}: {}", last_line(stderr, stdout))]
    Failed {
        /// What ran.
        program: String,
        /// Where.
        target: String,
        /// Its exit code.
        code: i32,
        /// Its standard output.
        stdout: String,
        /// Its standard error.
        stderr: String,
    },
}

fn last_line<'a>(stderr: &'a str, stdout: &'a str) -> &'a str {
    let last = |s: &'a str| s.lines().rev().find(|l| !l.trim().is_empty());
    last(stderr).or_else(|| last(stdout)).unwrap_or("no output")
}

impl Problem for ExecError {
    fn id(&self) -> &'static str {
        match self {
            Self::NotFound { .. } => "AL-EXE-001",
            Self::NotStarted { .. } => "AL-EXE-002",
            Self::Lost { .. } => "AL-EXE-003",
            Self::TimedOut { .. } => "AL-EXE-004",
            Self::Failed { .. } => "AL-EXE-005",
        }
    }

    fn args(&self) -> Vec<(&'static str, String)> {
        let text = |s: &String| s.clone();
        match self {
            Self::NotFound { program } => vec![("program", text(program))],
            Self::NotStarted { program, target, .. } | Self::Lost { program, target } => {
                vec![("program", text(program)), ("target", text(target))]
            }
            Self::TimedOut { program, target, after } => {
                vec![("program", text(program)), ("target", text(target)), ("seconds", after.as_secs().to_string())]
            }
            Self::Failed { program, target, code, stdout, stderr } => vec![
                ("program", text(program)),
                ("target", text(target)),
                ("code", code.to_string()),
                ("last", last_line(stderr, stdout).to_owned()),
            ],
        }
    }
}
