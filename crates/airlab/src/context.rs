//! A lab with its paths and its provider: what every command starts from.

use std::path::{Path, PathBuf};

use lab::{Lab, Layout};
use machine::Cmd;

use crate::secrets::user_of;
use crate::{AirlabError, Facts, Failure, Provider, RunLock};

/// A lab, where its files are, and who runs its machines.
#[derive(Debug, Clone)]
pub struct Context {
    /// The lab.
    pub lab: Lab,
    /// Every path airlab writes.
    pub files: Layout,
    /// What answers to vmrun's language.
    pub provider: Provider,
    /// The folder of the running program, where its siblings are.
    pub beside: PathBuf,
}

impl Context {
    /// `base` is the absolute `.airlab` of the working folder; `engine` a word handed on to the provider.
    pub fn new(lab: Lab, base: &Path, beside: &Path, engine: Option<&str>) -> Self {
        let files = Layout::of(&lab, base);
        let provider = Provider::of(&lab, &files, beside, engine);
        Self { lab, files, provider, beside: beside.to_owned() }
    }

    /// Takes the lab's lock for a command that changes it.
    pub fn lock(&self, command: &str) -> Result<RunLock, Failure> {
        RunLock::take(&self.files.lock(), command)
    }

    /// Brings the lab's network up where it is not.
    pub fn ensure_network(&self) -> Result<Facts, Failure> {
        self.provider.ensure_network(&self.lab)
    }

    /// The provider's facts, changing nothing; a lab that is not up is a problem.
    pub fn facts(&self) -> Result<Facts, Failure> {
        self.seen().ok_or_else(|| AirlabError::NoLab { root: self.files.root().to_owned() }.into())
    }

    /// The provider's facts, where the lab is up.
    pub fn seen(&self) -> Option<Facts> {
        if self.files.root().exists() { self.provider.seen() } else { None }
    }

    /// How a person logs in to a node.
    pub fn login(&self, node: &str, facts: &Facts) -> Result<Login, Failure> {
        let found = self.node(node)?;
        let at = facts.reached_at(&format!("{}:{}", found.address, found.ssh_port()));
        let (host, port) = at.rsplit_once(':').unwrap_or((&at, "22"));
        Ok(Login {
            host: host.to_owned(),
            port: port.to_owned(),
            node: node.to_owned(),
            user: user_of(found).to_owned(),
            key: found
                .host
                .as_ref()
                .and_then(|host| host.key.clone())
                .unwrap_or_else(|| self.files.ssh().join("id_ed25519")),
            known_hosts: known_hosts(&self.files),
        })
    }
}

/// The host keys of all nodes in the form OpenSSH reads.
pub(crate) fn known_hosts(files: &Layout) -> PathBuf {
    files.ssh().join("known_hosts")
}

/// How a person logs in to a node with the host's own `ssh`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    host: String,
    port: String,
    node: String,
    user: String,
    key: PathBuf,
    known_hosts: PathBuf,
}

/// One word is a line for the node's shell, as with plain ssh; several are a program and its arguments, which arrive as
/// they are.
fn remote_line(command: &[String]) -> Option<String> {
    match command {
        [] => None,
        [line] => Some(line.clone()),
        [program, rest @ ..] => Some(Cmd::new(program).args(rest).to_string()),
    }
}

impl Login {
    /// The `ssh` command: the lab's key, and no host key but the one made for this node.
    pub fn ssh(&self, command: &[String]) -> Cmd {
        let option = |name: &str, value: &str| ["-o".to_owned(), format!("{name}={value}")];
        Cmd::new("ssh")
            .arg("-i")
            .arg(&self.key)
            .args(["-p", &self.port])
            .args(option("HostKeyAlias", &self.node))
            .args(option("UserKnownHostsFile", &self.known_hosts.display().to_string()))
            .args(option("GlobalKnownHostsFile", "/dev/null"))
            .args(option("StrictHostKeyChecking", "yes"))
            .args(option("IdentitiesOnly", "yes"))
            .args(option("ConnectTimeout", "20"))
            // a node that is gone, with its power or its network, says no goodbye
            .args(option("ServerAliveInterval", "15"))
            .args(option("ServerAliveCountMax", "8"))
            .args(option("LogLevel", "ERROR"))
            .arg(format!("{}@{}", self.user, self.host))
            .args(remote_line(command))
    }
}
