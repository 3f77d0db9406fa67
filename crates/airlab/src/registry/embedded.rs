//! airlab's own registry as a background process, on the host's address of the lab's network or in WSL.

use std::path::{Path, PathBuf};
use std::time::Duration;

use lab::{Lab, Layout};
use machine::{Cmd, Local};
use steps::{Silent, Sink, Wait, wait_for};

use super::place::Place;
use super::{Registry, STARTS};
use crate::{AirlabError, Failure};

/// The registry's process: how it is started, found and ended.
pub(super) struct Embedded<'a> {
    pub(super) lab: &'a Lab,
    pub(super) files: &'a Layout,
    pub(super) place: Place<'a>,
    pub(super) beside: &'a Path,
}

impl Embedded<'_> {
    /// Starts the registry where it does not answer; says whether it had to.
    pub(super) async fn ensure(&self, registry: &Registry<'_>, sink: &dyn Sink) -> Result<bool, Failure> {
        if registry.answers().await.is_ok() {
            return Ok(false);
        }
        let logs = self.files.logs();
        std::fs::create_dir_all(&logs).map_err(|source| AirlabError::File {
            path: logs.clone(),
            action: "not made",
            source,
        })?;
        let log = logs.join("registry.log");
        let process = Local.start(&self.serve(), &log)?;
        let wait = Wait::new("the registry to answer", STARTS).every(Duration::from_millis(50));
        let answered = wait_for(wait, sink, || async {
            // In this order: one that a killed run had just started may have taken the port before ours.
            let ended = process.ended();
            match (registry.answers().await, ended) {
                (Ok(()), _) => Ok(None),
                (Err(_), Some(code)) => Ok(Some(code)),
                (Err(why), None) => Err(why),
            }
        });
        match answered.await? {
            None => Ok(true),
            Some(code) => Err(AirlabError::RegistryEnded { code, log }.into()),
        }
    }

    /// The command that serves.
    pub(super) fn serve(&self) -> Cmd {
        let path = |path: PathBuf| self.place.path(&path);
        let (pki, logs) = (self.files.pki(), self.files.logs());
        let program = self.beside.join(format!("registry-mirror{}", self.place.program_suffix()));
        self.place
            .cmd(path(program))
            .args(["serve", "--address", &self.place.address(self.lab)])
            .args(["--port", &self.lab.registry.port.to_string()])
            .args(["--store", &path(self.files.registry())])
            .args(["--cert", &path(pki.join("registry.crt")), "--key", &path(pki.join("registry.key"))])
            .args(["--log", &path(logs.join("registry-access.log")), "--pid-file", &path(self.pid_file())])
    }

    /// Written by the registry itself: it is known also when the run that started it is killed at once.
    fn pid_file(&self) -> PathBuf {
        self.files.root().join("registry.pid")
    }

    /// Ends the registry's process, if it runs; says whether it did. The process id is only used when that process
    /// really is this lab's registry.
    pub(super) async fn stop(&self) -> Result<bool, Failure> {
        let Some(pid) = std::fs::read_to_string(self.pid_file()).ok().and_then(|t| t.trim().parse::<u32>().ok()) else {
            return Ok(false);
        };
        if !self.is_ours(pid) {
            return Ok(false);
        }
        Local.run(&self.place.cmd("kill").args(["-TERM", &pid.to_string()]))?;
        let wait = Wait::new("the registry to end", Duration::from_secs(20)).every(Duration::from_millis(50));
        let gone = || async { if self.is_ours(pid) { Err(format!("process {pid} is still there")) } else { Ok(()) } };
        wait_for(wait, &Silent, gone).await?;
        Ok(true)
    }

    fn is_ours(&self, pid: u32) -> bool {
        let args = Local.run(&self.place.cmd("ps").args(["-ww", "-o", "args=", "-p", &pid.to_string()]));
        args.is_ok_and(|out| out.text().contains(&self.place.path(&self.files.registry())))
    }
}
