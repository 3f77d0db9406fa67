//! Running commands and understanding what comes back.

use std::time::Duration;

use machine::{Cmd, Exec, ExecError, Local};
use secrecy::SecretString;

use super::command::Command;
use super::deadlines::Deadlines;
use super::error::VmrunError;
use super::error_kind::{ErrorKind, classify};
use super::gate::Gate;
use super::parse_guest::{exists, tools_state};
use super::recover::{Nature, Next};
use super::text::Page;
use super::{log, parse};

/// A program that speaks vmrun's language.
///
/// ```no_run
/// # async fn f() -> Result<(), vmware::vmrun::VmrunError> {
/// use vmware::vmrun::{Command, Vmrun};
/// let vmrun = Vmrun::new("vmrun");
/// let changed = vmrun.ensure_running(std::path::Path::new("/vms/master/master.vmx")).await?;
/// println!("{}", vmrun.run(&Command::List).await?);
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, Default)]
pub struct Vmrun {
    /// The program and what comes before vmrun's own words.
    pub program: Vec<String>,
    /// Environment variables for it.
    pub env: Vec<(String, String)>,
    /// How long calls and waits may take.
    pub deadlines: Deadlines,
    /// How many calls run at once; clones of this value share it.
    pub gate: Gate,
    /// The password of encrypted machines. vmrun takes it only as an argument, which other users of the host can see.
    pub password: Option<SecretString>,
    /// The code page of output that is not UTF-8.
    pub page: Page,
}

impl Vmrun {
    /// This program, with everything else as it usually is.
    pub fn new(program: impl Into<String>) -> Self {
        Self { program: vec![program.into()], ..Self::default() }
    }

    /// The whole command line, for people: passwords are shown as `***`.
    pub fn argv(&self, command: &Command) -> Vec<String> {
        self.program.iter().cloned().chain(command.words(self.password.as_ref(), false)).collect()
    }

    /// Runs the command and gives back its standard output, without white space at the end. What may safely be done
    /// again is tried again where the failure may pass ([`super::next`]); anything else is one call.
    pub async fn run(&self, command: &Command) -> Result<String, VmrunError> {
        let again = matches!(command.nature(), Nature::Asks | Nature::Sets);
        let mut tries = if again { self.deadlines.tries.max(1) } else { 1 };
        loop {
            tries -= 1;
            match self.once(command).await {
                Err(error) if tries > 0 && error.next(command) == Next::Again => {
                    tracing::debug!(%error, "vmrun again");
                    tokio::time::sleep(self.deadlines.pause).await;
                }
                ended => return ended,
            }
        }
    }

    /// One call, when it is its turn.
    pub(super) async fn once(&self, command: &Command) -> Result<String, VmrunError> {
        let Some((program, front)) = self.program.split_first() else {
            return Err(ExecError::NotFound { program: "vmrun".into() }.into());
        };
        let words = command.words(self.password.as_ref(), true);
        let mut cmd = Cmd::new(program).args(front).args(words).timeout(self.deadlines.of(command));
        for (key, value) in &self.env {
            cmd = cmd.env(key, value);
        }
        let shown = command.words(self.password.as_ref(), false).join(" ");
        let pass = self.gate.pass(command.vmx()).await;
        tracing::debug!(command = shown, "vmrun");
        let out = Exec::run(&Local, &cmd).await?;
        drop(pass);
        let text = self.page.decode(&out.stdout).trim_end().to_owned();
        let Some((kind, words)) = classify(&text, &self.page.decode(&out.stderr), out.code) else {
            return if is_whole(command, &text) { Ok(text) } else { Err(VmrunError::answer(command, &text)) };
        };
        if is_an_answer(command, &text) {
            return Ok(text);
        }
        let asked = command.vmx().filter(|_| matches!(kind, ErrorKind::Canceled | ErrorKind::Other));
        let cause = asked.and_then(log::last_message);
        Err(VmrunError::Failed { kind, command: shown, text: words, code: out.code, cause })
    }

    /// A pause between two looks, never longer than what is waited for.
    pub(super) fn beat(&self) -> Duration {
        Duration::from_millis(200).min(self.deadlines.settle)
    }
}

/// Some hosts give an exit code other than 0 with an answer that is one.
fn is_an_answer(command: &Command, text: &str) -> bool {
    match command {
        Command::CheckToolsState { .. } => tools_state(text).is_some(),
        Command::Guest { op, .. } if op.asks_existence() => exists(text) == Some(false) && !text.contains("Error:"),
        _ => false,
    }
}

/// Whether an answer that decides something is all there: one cut short must not look like "no machine runs".
fn is_whole(command: &Command, text: &str) -> bool {
    match command {
        Command::List => parse::running(text).is_some(),
        Command::ListSnapshots { .. } => parse::snapshots(text).is_some(),
        Command::ListHostNetworks => parse::host_networks(text).is_some(),
        _ => true,
    }
}
