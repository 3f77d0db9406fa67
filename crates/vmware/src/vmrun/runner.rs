//! Running commands and understanding what comes back.

use std::path::Path;

use machine::{Cmd, Exec, ExecError, Local};

use super::command::Command;
use super::error::{ErrorKind, VmrunError, classify};
use super::parse::tools_state;

/// A program that speaks vmrun's language.
///
/// ```no_run
/// # async fn f() -> Result<(), vmware::vmrun::VmrunError> {
/// use vmware::vmrun::{Command, Vmrun};
/// let vmrun = Vmrun { program: vec!["vmrun".into()], env: vec![] };
/// let changed = vmrun.ensure_running(std::path::Path::new("/vms/master/master.vmx")).await?;
/// println!("{}", vmrun.run(&Command::List).await?);
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vmrun {
    /// The program and what comes before vmrun's own words.
    pub program: Vec<String>,
    /// Environment variables for it.
    pub env: Vec<(String, String)>,
}

impl Vmrun {
    /// The whole command line, for people: a guest password is shown as `***`.
    pub fn argv(&self, command: &Command) -> Vec<String> {
        self.program.iter().cloned().chain(command.argv()).collect()
    }

    /// Runs the command and gives back its standard output, without white space at the end.
    pub async fn run(&self, command: &Command) -> Result<String, VmrunError> {
        let Some((program, front)) = self.program.split_first() else {
            return Err(ExecError::NotFound { program: "vmrun".into() }.into());
        };
        let mut cmd = Cmd::new(program).args(front).args(command.secret_argv()).timeout(command.deadline());
        for (key, value) in &self.env {
            cmd = cmd.env(key, value);
        }
        tracing::debug!(command = command.argv().join(" "), "vmrun");
        let out = Exec::run(&Local, &cmd).await?;
        let text = String::from_utf8_lossy(&out.stdout).trim_end().to_owned();
        let Some((kind, words)) = classify(&text, &out.error_text(), out.code) else { return Ok(text) };
        if is_an_answer(command, &text) {
            return Ok(text);
        }
        let log = command.vmx().filter(|_| matches!(kind, ErrorKind::Canceled | ErrorKind::Other));
        let cause = log.and_then(|vmx| last_message(&vmx.with_file_name("vmware.log")));
        Err(VmrunError::Failed { kind, command: command.argv().join(" "), text: words, code: out.code, cause })
    }
}

/// Some hosts give an exit code other than 0 with an answer that is one.
fn is_an_answer(command: &Command, text: &str) -> bool {
    match command {
        Command::CheckToolsState { .. } => tools_state(text).is_some(),
        Command::Guest { op, .. } if op.asks_existence() => {
            text.contains("does not exist.") && !text.contains("Error:")
        }
        _ => false,
    }
}

/// The last message that VMware wanted to show, from the machine's log.
fn last_message(log: &Path) -> Option<String> {
    let bytes = std::fs::read(log).ok()?;
    let text = String::from_utf8_lossy(&bytes[bytes.len().saturating_sub(256 << 10)..]).into_owned();
    let lines: Vec<&str> = text.lines().collect();
    let at = lines.iter().rposition(|l| l.contains("Msg_Post: Error"))?;
    let message = lines[at + 1..].iter().take(8).filter_map(|l| l.split_once("[msg.")?.1.split_once("] "));
    let words: Vec<&str> = message.map(|(_, words)| words.trim()).collect();
    (!words.is_empty()).then(|| words.join(" "))
}
