//! Running commands on this host.

use std::fs::File;
use std::io::ErrorKind;
use std::path::Path;

use crate::{Cmd, ExecError, Output};

/// This host.
#[derive(Debug, Default, Clone, Copy)]
pub struct Local;

const HERE: &str = "this host";

/// The command with its environment and its folder; any exit code is a result.
pub(crate) fn bare_expression(cmd: &Cmd) -> duct::Expression {
    let e = duct::cmd(&cmd.program, &cmd.args).unchecked();
    let e = cmd.unset.iter().fold(e, |e, key| e.env_remove(key));
    let e = cmd.env.iter().fold(e, |e, (key, value)| e.env(key, value));
    match &cmd.dir {
        Some(dir) => e.dir(dir),
        None => e,
    }
}

fn expression(cmd: &Cmd) -> duct::Expression {
    let e = bare_expression(cmd);
    match &cmd.stdin {
        Some(bytes) => e.stdin_bytes(bytes.clone()),
        None => e.stdin_null(),
    }
}

pub(crate) fn not_started(cmd: &Cmd, error: std::io::Error) -> ExecError {
    if error.kind() == ErrorKind::NotFound {
        return ExecError::NotFound { program: cmd.program() };
    }
    ExecError::NotStarted { program: cmd.program(), target: HERE.into(), source: Box::new(error) }
}

pub(crate) fn code_of(status: std::process::ExitStatus) -> i32 {
    #[cfg(unix)]
    if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
        return 128 + signal;
    }
    status.code().unwrap_or(-1)
}

impl Local {
    /// Runs the command to its end and gives back whatever exit code it had.
    pub fn run(self, cmd: &Cmd) -> Result<Output, ExecError> {
        run_to_end(cmd)
    }

    /// Runs the command; any exit code but 0 is [`ExecError::Failed`].
    pub fn run_ok(self, cmd: &Cmd) -> Result<Output, ExecError> {
        let out = self.run(cmd)?;
        if out.code == 0 { Ok(out) } else { Err(failed(cmd, HERE, &out)) }
    }

    /// Becomes the command: same process id, same terminal, its exit code is ours. Comes back only when it could not
    /// be started. Standard input and the deadline of `cmd` do not apply.
    #[cfg(unix)]
    pub fn replace(self, cmd: &Cmd) -> ExecError {
        self.replace_holding(cmd, None)
    }

    /// The same; the open file becomes the command's standard input, so that a lock on it lives on with the command.
    #[cfg(unix)]
    pub fn replace_holding(self, cmd: &Cmd, held: Option<File>) -> ExecError {
        #[allow(clippy::disallowed_methods)] // this crate is where processes start; duct cannot exec
        let mut command = std::process::Command::new(&cmd.program);
        if let Some(file) = held {
            command.stdin(file);
        }
        command.args(&cmd.args).envs(cmd.env.iter().map(|(k, v)| (k, v)));
        for key in &cmd.unset {
            command.env_remove(key);
        }
        if let Some(dir) = &cmd.dir {
            command.current_dir(dir);
        }
        not_started(cmd, std::os::unix::process::CommandExt::exec(&mut command))
    }

    /// Starts the command and leaves it running, in a process group of its own, when this program ends.
    /// Its output goes to `log` (appended). Gives back its process id.
    pub fn start(self, cmd: &Cmd, log: &Path) -> Result<Background, ExecError> {
        let file = |e| not_started(cmd, e);
        let out = File::options().create(true).append(true).open(log).map_err(file)?;
        let err = out.try_clone().map_err(file)?;
        let handle = expression(cmd)
            .stdout_file(out)
            .stderr_file(err)
            .before_spawn(|command| {
                #[cfg(unix)]
                std::os::unix::process::CommandExt::process_group(command, 0);
                #[cfg(windows)]
                std::os::windows::process::CommandExt::creation_flags(command, 0x0000_0208); // DETACHED, NEW_GROUP
                Ok(())
            })
            .start()
            .map_err(|e| not_started(cmd, e))?;
        let pid = handle.pids().first().copied().unwrap_or_default();
        Ok(Background { pid, handle })
    }
}

/// A command that goes on in the background. Dropping it does not end it.
pub struct Background {
    /// Its process id, also its process group.
    pub pid: u32,
    handle: duct::Handle,
}

impl std::fmt::Debug for Background {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Background({})", self.pid)
    }
}

impl Background {
    /// The exit code, once it has ended.
    pub fn ended(&self) -> Option<i32> {
        match self.handle.try_wait() {
            Ok(Some(output)) => Some(code_of(output.status)),
            Ok(None) => None,
            Err(_) => Some(-1),
        }
    }
}

fn run_to_end(cmd: &Cmd) -> Result<Output, ExecError> {
    let handle = expression(cmd)
        .stdout_capture()
        .stderr_capture()
        .before_spawn(|command| {
            #[cfg(unix)]
            std::os::unix::process::CommandExt::process_group(command, 0);
            #[cfg(not(unix))]
            let _ = command;
            Ok(())
        })
        .start()
        .map_err(|e| not_started(cmd, e))?;
    let waited = handle.wait_timeout(cmd.timeout).map_err(|e| not_started(cmd, e))?;
    let Some(output) = waited else {
        kill_group(&handle);
        let _ = handle.kill();
        return Err(ExecError::TimedOut { program: cmd.program(), target: HERE.into(), after: cmd.timeout });
    };
    Ok(Output { code: code_of(output.status), stdout: output.stdout.clone(), stderr: output.stderr.clone() })
}

/// duct kills only its child; what that child started would live on and hold the pipes open.
fn kill_group(handle: &duct::Handle) {
    #[cfg(unix)]
    for pid in handle.pids() {
        let _ = duct::cmd("kill", ["-KILL", "--", &format!("-{pid}")]).unchecked().stdout_null().stderr_null().run();
    }
    #[cfg(not(unix))]
    let _ = handle;
}

pub(crate) fn failed(cmd: &Cmd, target: &str, out: &Output) -> ExecError {
    ExecError::Failed {
        program: cmd.program(),
        target: target.to_owned(),
        code: out.code,
        stdout: out.text(),
        stderr: out.error_text(),
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::time::{Duration, Instant};

    #[test]
    fn output_and_exit_code_come_back() {
        let out = Local.run(&Cmd::new("sh").args(["-c", "cat; echo oops >&2; exit 7"]).stdin("hello")).unwrap();
        assert_eq!((out.code, out.text().as_str(), out.error_text().as_str()), (7, "hello", "oops"));
    }

    #[test]
    fn a_variable_of_ours_is_kept_from_the_program() {
        let cmd = Cmd::new("sh").args(["-c", "echo ${CARGO_PKG_NAME-none} $MORE"]).env("MORE", "more");
        assert_eq!(Local.run(&cmd).unwrap().text(), "machine more");
        assert_eq!(Local.run(&cmd.env_remove("CARGO_PKG_NAME")).unwrap().text(), "none more");
    }

    #[test]
    fn a_missing_program_is_not_found() {
        assert!(matches!(Local.run(&Cmd::new("no-such-program-here")), Err(ExecError::NotFound { .. })));
    }

    #[test]
    fn a_deadline_ends_the_program_and_its_children() {
        let start = Instant::now();
        let cmd = Cmd::new("sh").args(["-c", "sleep 30 & sleep 30"]).timeout(Duration::from_millis(200));
        assert!(matches!(Local.run(&cmd), Err(ExecError::TimedOut { .. })));
        assert!(start.elapsed() < Duration::from_secs(5));
    }
}
