//! Build scripts: constant files, run by bash with their inputs in the environment and their output in a log.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use machine::{Cmd, Local};
use steps::{Event, Sink};

use crate::{Error, Result};

/// A script to run: what it is for, its text, and what it gets to know.
pub(crate) struct Script {
    part: &'static str,
    text: &'static str,
    env: Vec<(&'static str, OsString)>,
    log: PathBuf,
    timeout: Duration,
}

impl Script {
    /// A script of the part `part` that writes `<dir>/<name>.log` and may take half an hour.
    pub(crate) fn new(part: &'static str, name: &str, text: &'static str, dir: &Path) -> Self {
        let log = dir.join(format!("{name}.log"));
        Self { part, text, env: Vec::new(), log, timeout: Duration::from_secs(30 * 60) }
    }

    /// Sets one environment variable.
    pub(crate) fn env(mut self, key: &'static str, value: impl Into<OsString>) -> Self {
        self.env.push((key, value.into()));
        self
    }

    fn command(&self) -> Cmd {
        let bash = Cmd::new("bash").args(["-euo", "pipefail", "-c"]);
        let bash = bash.arg(format!("exec >>\"$BUILD_LOG\" 2>&1\n{}", self.text));
        let mut cmd = ends_with_us(bash).timeout(self.timeout).env("BUILD_LOG", self.log.clone());
        for (key, value) in &self.env {
            cmd = cmd.env(*key, value.clone());
        }
        cmd
    }

    /// Runs it to its end; tells every four seconds what its last line was.
    pub(crate) fn run(self, sink: &dyn Sink) -> Result<()> {
        let cmd = self.command();
        let (tell, told) = mpsc::channel();
        let start = Instant::now();
        let done = std::thread::scope(|scope| {
            scope.spawn(move || tell.send(Local.run_ok(&cmd)));
            loop {
                match told.recv_timeout(Duration::from_secs(4)) {
                    Ok(done) => return Some(done),
                    Err(mpsc::RecvTimeoutError::Disconnected) => return None,
                    Err(mpsc::RecvTimeoutError::Timeout) => {
                        let last = last_line(&self.log);
                        sink.emit(Event::Waiting { step: self.part.into(), last, elapsed: start.elapsed() });
                    }
                }
            }
        });
        match done {
            Some(Ok(_)) => Ok(()),
            Some(Err(source)) => {
                let last = last_line(&self.log);
                Err(Error::Build { part: self.part.into(), last, log: self.log, source: Box::new(source) })
            }
            None => Err(Error::Busy { part: self.part.into(), seconds: start.elapsed().as_secs() }),
        }
    }
}

/// A command that ends when this program does, however that ends, with everything it has started: the kernel ends a
/// process namespace with its first process. Mounts that it makes go with it too. Only root may do so.
fn ends_with_us(cmd: Cmd) -> Cmd {
    #[cfg(target_os = "linux")]
    if fs::metadata("/proc/self").is_ok_and(|m| std::os::unix::fs::MetadataExt::uid(&m) == 0) {
        return Cmd::new("setpriv")
            .args([
                "--pdeathsig",
                "KILL",
                "--",
                "unshare",
                "--pid",
                "--fork",
                "--kill-child=KILL",
                "--mount-proc",
                "--",
            ])
            .args(cmd.argv());
    }
    cmd
}

/// The last line of a log that says something; terminal control characters are cut away.
fn last_line(log: &Path) -> String {
    let bytes = fs::read(log).unwrap_or_default();
    let tail = String::from_utf8_lossy(&bytes[bytes.len().saturating_sub(4096)..]).into_owned();
    let line = tail.split(['\n', '\r']).rev().map(str::trim).find(|l| !l.is_empty()).unwrap_or("no output yet");
    line.chars().filter(|c| !c.is_control()).take(160).collect()
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_script_ends_with_the_program_that_ran_it_and_takes_its_children_along() {
        use std::os::unix::fs::MetadataExt;
        if fs::metadata("/proc/self").unwrap().uid() != 0 {
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        let mark = format!("86399.{}", std::process::id());
        let script = Script::new("thing", "make", "setsid sleep \"$MARK\" & sleep \"$MARK\"", dir.path());
        let cmd = script.env("MARK", mark.clone()).command();
        let count = || {
            let numbers = fs::read_dir("/proc").unwrap().flatten();
            let words = numbers.filter_map(|e| fs::read_to_string(e.path().join("cmdline")).ok());
            words.filter(|w| w.starts_with("sleep") && w.contains(&mark)).count()
        };
        let until = |wanted: usize| {
            let start = Instant::now();
            while count() != wanted && start.elapsed() < Duration::from_secs(20) {
                std::thread::sleep(Duration::from_millis(20));
            }
            assert_eq!(count(), wanted);
        };
        // a shell stands for this program
        let shell = Cmd::new("sh").args(["-c", "\"$@\" & wait", "sh"]).args(cmd.argv()).env("MARK", mark.clone());
        let shell = Local.start(&shell.env("BUILD_LOG", dir.path().join("log")), &dir.path().join("out")).unwrap();
        until(2);
        Local.run_ok(&Cmd::new("kill").args(["-KILL", &shell.pid.to_string()])).unwrap();
        until(0);
    }

    #[test]
    fn a_failing_script_leaves_its_last_line_and_its_log() {
        let dir = tempfile::tempdir().unwrap();
        let script = Script::new("thing", "make", "echo \"$WORD\"; echo out of milk >&2; false", dir.path());
        let Err(Error::Build { last, log, .. }) = script.env("WORD", "hello").run(&steps::Silent) else {
            panic!("it must fail")
        };
        assert_eq!(last, "out of milk");
        assert_eq!(fs::read_to_string(log).unwrap(), "hello\nout of milk\n");
    }
}
