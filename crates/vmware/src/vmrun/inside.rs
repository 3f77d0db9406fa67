//! Doing something inside a guest by two ways: vmrun where there is a login for it, SSH where vmrun's way is closed.

use std::path::Path;

use machine::{Cmd, Exec};

use super::command::Command;
use super::error::VmrunError;
use super::guest::{GuestLogin, GuestOp};
use super::parse_guest;
use super::recover::Next;
use super::runner::Vmrun;

/// Which way an operation took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// vmrun and the Tools.
    Vmrun,
    /// SSH.
    Ssh,
}

/// A guest that can be reached by vmrun, by SSH, or by both.
///
/// Without a login for vmrun everything goes over SSH: that is the usual way, because vmrun takes a password only where
/// other users of the host can see it.
#[derive(Clone, Copy)]
pub struct Inside<'a> {
    /// The program.
    pub vmrun: &'a Vmrun,
    /// The machine.
    pub vmx: &'a Path,
    /// The guest's user for vmrun.
    pub login: Option<&'a GuestLogin>,
    /// The way by SSH.
    pub ssh: &'a dyn Exec,
}

impl std::fmt::Debug for Inside<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Inside({}, {})", self.vmx.display(), self.ssh.target())
    }
}

impl Inside<'_> {
    /// Whether the guest has this file.
    pub async fn has_file(&self, path: &str) -> Result<bool, VmrunError> {
        let op = GuestOp::FileExists { path: path.to_owned() };
        let text = match self.by_vmrun(op).await {
            Ok(text) => text.and_then(|t| parse_guest::exists(&t)),
            Err((Next::Ssh, _)) => None,
            Err((_, error)) => return Err(error),
        };
        match text {
            Some(there) => Ok(there),
            None => Ok(self.ssh.run(&Cmd::new("test").args(["-f", path])).await?.code == 0),
        }
    }

    /// Runs a program to its end. `done` asks the guest whether it has had its effect (exit code 0: it has): after an
    /// answer that was lost, the program runs again only when it has not.
    pub async fn run(&self, program: &str, args: &[String], done: &Cmd) -> Result<Way, VmrunError> {
        let op = GuestOp::RunProgram { how: Default::default(), program: program.to_owned(), args: args.to_vec() };
        match self.by_vmrun(op).await {
            Ok(Some(_)) => return Ok(Way::Vmrun),
            Ok(None) | Err((Next::Ssh, _)) => {}
            Err((Next::Look, _)) if self.ssh.run(done).await?.code == 0 => return Ok(Way::Vmrun),
            Err((Next::Look, _)) => {}
            Err((_, error)) => return Err(error),
        }
        self.ssh.run_ok(&Cmd::new(program).args(args)).await?;
        Ok(Way::Ssh)
    }

    /// vmrun's answer; `None` where there is no login for it; with an error what may follow it.
    async fn by_vmrun(&self, op: GuestOp) -> Result<Option<String>, (Next, VmrunError)> {
        let Some(login) = self.login else { return Ok(None) };
        let command = Command::Guest { vmx: self.vmx.to_owned(), login: login.clone(), op };
        self.vmrun.run(&command).await.map(Some).map_err(|error| (error.next(&command), error))
    }
}
