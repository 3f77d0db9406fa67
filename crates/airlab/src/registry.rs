//! The lab's registry as a background process on the host's address of the lab's network.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

use lab::{Lab, Layout};
use machine::{Cmd, Local};
use steps::{Silent, Sink, Wait, wait_for};

use crate::{AirlabError, Failure};

/// The registry's process: how it is started, found and ended.
pub(crate) struct Registry<'a> {
    lab: &'a Lab,
    files: &'a Layout,
    ca_pem: &'a str,
    program: PathBuf,
}

impl<'a> Registry<'a> {
    /// `beside` is the folder of the running program.
    pub(crate) fn new(lab: &'a Lab, files: &'a Layout, ca_pem: &'a str, beside: &Path) -> Self {
        let program = beside.join(format!("registry-mirror{}", std::env::consts::EXE_SUFFIX));
        Self { lab, files, ca_pem, program }
    }

    fn url(&self) -> String {
        format!("https://{}", self.lab.registry_address())
    }

    /// Whether *our* registry answers: TLS with our CA, then `/healthz`.
    pub(crate) async fn answers(&self) -> Result<(), String> {
        let client = client(self.ca_pem)?;
        let answer = client.get(format!("{}/healthz", self.url())).send().await.map_err(|e| innermost(&e))?;
        if answer.status().is_success() { Ok(()) } else { Err(format!("status {}", answer.status())) }
    }

    /// Fails when the port belongs to somebody else. Changes nothing.
    pub(crate) async fn port_free_or_ours(&self) -> Result<(), Failure> {
        if self.answers().await.is_ok() {
            return Ok(());
        }
        let address = self.lab.network.cidr.host();
        match TcpListener::bind((address, self.lab.registry.port)) {
            Err(e) if e.kind() == std::io::ErrorKind::AddrInUse => {
                Err(AirlabError::PortTaken { address: address.to_string(), port: self.lab.registry.port }.into())
            }
            _ => Ok(()),
        }
    }

    /// Starts the registry where it does not answer; says whether it had to.
    pub(crate) async fn ensure(&self, sink: &dyn Sink) -> Result<bool, Failure> {
        if self.answers().await.is_ok() {
            return Ok(false);
        }
        let logs = self.files.logs();
        std::fs::create_dir_all(&logs).map_err(|source| AirlabError::File {
            path: logs.clone(),
            action: "not made",
            source,
        })?;
        let log = logs.join("registry.log");
        let pki = self.files.pki();
        let cmd = Cmd::new(&self.program)
            .args(["serve", "--address", &self.lab.network.cidr.host().to_string()])
            .args(["--port", &self.lab.registry.port.to_string()])
            .arg("--store")
            .arg(self.files.registry())
            .arg("--cert")
            .arg(pki.join("registry.crt"))
            .arg("--key")
            .arg(pki.join("registry.key"))
            .arg("--log")
            .arg(logs.join("registry-access.log"))
            .arg("--pid-file")
            .arg(self.pid_file());
        let process = Local.start(&cmd, &log)?;
        let wait = Wait::new("the registry to answer", Duration::from_secs(30)).every(Duration::from_millis(50));
        let answered = wait_for(wait, sink, || async {
            // In this order: one that a killed run had just started may have taken the port before ours.
            let ended = process.ended();
            match (self.answers().await, ended) {
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

    /// Written by the registry itself: it is known also when the run that started it is killed at once.
    fn pid_file(&self) -> PathBuf {
        self.files.root().join("registry.pid")
    }

    /// Ends the registry's process, if it runs; says whether it did. The process id is only used when that process
    /// really is this lab's registry.
    pub(crate) async fn stop(&self) -> Result<bool, Failure> {
        let Some(pid) = std::fs::read_to_string(self.pid_file()).ok().and_then(|t| t.trim().parse::<u32>().ok()) else {
            return Ok(false);
        };
        if !self.is_ours(pid) {
            return Ok(false);
        }
        Local.run(&Cmd::new("kill").args(["-TERM", &pid.to_string()]))?;
        let wait = Wait::new("the registry to end", Duration::from_secs(20)).every(Duration::from_millis(50));
        let gone = || async { if self.is_ours(pid) { Err(format!("process {pid} is still there")) } else { Ok(()) } };
        wait_for(wait, &Silent, gone).await?;
        Ok(true)
    }

    fn is_ours(&self, pid: u32) -> bool {
        let args = Local.run(&Cmd::new("ps").args(["-ww", "-o", "args=", "-p", &pid.to_string()]));
        args.is_ok_and(|out| out.text().contains(&self.files.registry().display().to_string()))
    }
}

/// A client that trusts the lab's CA alone and no proxy.
pub(crate) fn client(ca_pem: &str) -> Result<reqwest::Client, String> {
    let ca = reqwest::Certificate::from_pem(ca_pem.as_bytes()).map_err(|e| innermost(&e))?;
    reqwest::Client::builder()
        .tls_certs_only([ca])
        .no_proxy()
        .timeout(Duration::from_secs(5))
        .build()
        .map_err(|e| innermost(&e))
}

/// The cause at the bottom of an error, which is what a person needs.
pub(crate) fn innermost(error: &dyn std::error::Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}
