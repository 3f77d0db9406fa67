//! Commands on another machine over SSH, with the host key known beforehand.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use russh::client::{self, Handle};
use russh::keys::{Algorithm, HashAlg, PrivateKeyWithHashAlg, PublicKey, PublicKeyOrCertificate};
use russh::{ChannelMsg, ChannelReadHalf, Sig};
use steps::{Problem, Sink, TimedOut, Wait, wait_for};

use crate::cmd::quoted;
use crate::{Cmd, Exec, ExecError, KeyPair, Output};

/// Where to connect, as whom, and which host key to expect there.
#[derive(Debug, Clone)]
pub struct SshTarget {
    /// Address and port; behind a forward, the forward's.
    pub addr: SocketAddr,
    /// Login name.
    pub user: String,
    /// The key to log in with.
    pub key: Arc<KeyPair>,
    /// The host's public key in OpenSSH's one-line format. Any other key stops everything.
    pub host_key: String,
}

impl std::fmt::Display for SshTarget {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}@{}", self.user, self.addr)
    }
}

/// Why no connection came about.
#[derive(Debug, thiserror::Error)]
pub enum SshError {
    /// Nobody answers there, or not in SSH's language.
    #[error("{target}: no SSH connection")]
    Unreachable {
        /// `user@address:port`.
        target: String,
        /// What happened.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Another machine answers, or this one was reinstalled behind our back.
    #[error("{target}: host key is {found}, expected {expected}")]
    HostKeyChanged {
        /// `user@address:port`.
        target: String,
        /// Fingerprint of the pinned key.
        expected: String,
        /// Fingerprint of the key shown.
        found: String,
    },
    /// The host does not accept our key for this user.
    #[error("{target}: key {fingerprint} refused")]
    KeyRefused {
        /// `user@address:port`.
        target: String,
        /// Fingerprint of our key.
        fingerprint: String,
    },
    /// The pinned host key is no public key in OpenSSH's format.
    #[error("{target}: the pinned host key is not readable")]
    BadPin {
        /// `user@address:port`.
        target: String,
    },
    /// It did not come up in the time given.
    #[error(transparent)]
    TimedOut(#[from] TimedOut),
}

impl SshError {
    /// Whether trying again later can help.
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::KeyRefused { .. })
    }
}

impl Problem for SshError {
    fn id(&self) -> &'static str {
        match self {
            Self::Unreachable { .. } => "AL-SSH-001",
            Self::HostKeyChanged { .. } => "AL-SSH-002",
            Self::KeyRefused { .. } => "AL-SSH-003",
            Self::BadPin { .. } => "AL-SSH-005",
            Self::TimedOut(inner) => inner.id(),
        }
    }

    fn args(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::Unreachable { target, source } => vec![("target", target.clone()), ("reason", source.to_string())],
            Self::HostKeyChanged { target, expected, found } => {
                vec![("target", target.clone()), ("expected", expected.clone()), ("found", found.clone())]
            }
            Self::KeyRefused { target, fingerprint } => {
                vec![("target", target.clone()), ("fingerprint", fingerprint.clone())]
            }
            Self::BadPin { target } => vec![("target", target.clone())],
            Self::TimedOut(inner) => inner.args(),
        }
    }
}

/// A connection to another machine; cloning shares it. When it is found closed *before* a command starts, it is made
/// again once; a command that was under way is never repeated ([`ExecError::Lost`]).
///
/// ```no_run
/// # async fn example(target: machine::SshTarget) -> Result<(), Box<dyn std::error::Error>> {
/// use machine::Exec;
/// let node = machine::Ssh::connect(&target, std::time::Duration::from_secs(20)).await?;
/// println!("{}", node.run_ok(&machine::Cmd::new("hostname")).await?.text());
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Ssh {
    target: SshTarget,
    session: Arc<tokio::sync::Mutex<Arc<Handle<Pin>>>>,
}

impl std::fmt::Debug for Ssh {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Ssh({})", self.target)
    }
}

/// Accepts exactly one host key and remembers another one it was shown.
struct Pin {
    expected: PublicKey,
    found: Arc<Mutex<Option<String>>>,
}

impl client::Handler for Pin {
    type Error = russh::Error;

    async fn check_server_key(&mut self, shown: &PublicKeyOrCertificate) -> Result<bool, Self::Error> {
        let found = match shown {
            PublicKeyOrCertificate::PublicKey { key, .. } if key.key_data() == self.expected.key_data() => {
                return Ok(true);
            }
            PublicKeyOrCertificate::PublicKey { key, .. } => key.fingerprint(HashAlg::Sha256).to_string(),
            PublicKeyOrCertificate::Certificate(_) => "a certificate".to_owned(),
        };
        *self.found.lock().unwrap_or_else(PoisonError::into_inner) = Some(found);
        Ok(false)
    }
}

const RECONNECT: Duration = Duration::from_secs(20);

impl Ssh {
    /// Connects and logs in once; no retry.
    pub async fn connect(target: &SshTarget, deadline: Duration) -> Result<Self, SshError> {
        let session = tokio::time::timeout(deadline, open(target)).await.unwrap_or_else(|elapsed| {
            Err(SshError::Unreachable { target: target.to_string(), source: Box::new(elapsed) })
        })?;
        Ok(Self { target: target.clone(), session: Arc::new(tokio::sync::Mutex::new(Arc::new(session))) })
    }

    /// Tries until the machine answers and lets us in, or the deadline passes. A changed host key ends it at once.
    pub async fn wait(target: &SshTarget, deadline: Duration, sink: &dyn Sink) -> Result<Self, SshError> {
        let each = deadline.min(RECONNECT);
        wait_for(Wait::new(format!("ssh {target}"), deadline), sink, || async move {
            match Self::connect(target, each).await {
                Err(e) if e.is_passing() => Err(chain(&e)),
                done => Ok(done),
            }
        })
        .await?
    }

    /// The target this connection was made for.
    pub fn to(&self) -> &SshTarget {
        &self.target
    }

    /// Says goodbye; later commands would connect again.
    pub async fn close(&self) {
        let session = self.session.lock().await.clone();
        let _ = session.disconnect(russh::Disconnect::ByApplication, "", "en").await;
    }

    async fn session(&self) -> Result<Arc<Handle<Pin>>, SshError> {
        let mut session = self.session.lock().await;
        if session.is_closed() {
            let opened = tokio::time::timeout(RECONNECT, open(&self.target)).await;
            *session = Arc::new(opened.unwrap_or_else(|elapsed| {
                Err(SshError::Unreachable { target: self.target.to_string(), source: Box::new(elapsed) })
            })?);
        }
        Ok(session.clone())
    }
}

/// An error and its causes in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(c) = cause {
        text = format!("{text}: {c}");
        cause = c.source();
    }
    text
}

async fn open(target: &SshTarget) -> Result<Handle<Pin>, SshError> {
    let name = target.to_string();
    let expected = PublicKey::from_openssh(&target.host_key).map_err(|_| SshError::BadPin { target: name.clone() })?;
    let found = Arc::new(Mutex::new(None));
    let mut config = client::Config {
        keepalive_interval: Some(Duration::from_secs(15)),
        keepalive_max: 4,
        nodelay: true,
        ..client::Config::default()
    };
    config.preferred.key = vec![expected.algorithm(), Algorithm::Ed25519].into();
    let pin = Pin { expected: expected.clone(), found: found.clone() };
    let unreachable = |e: russh::Error| SshError::Unreachable { target: name.clone(), source: Box::new(e) };
    let mut session = match client::connect(Arc::new(config), target.addr, pin).await {
        Ok(session) => session,
        Err(e) => {
            return Err(match found.lock().unwrap_or_else(PoisonError::into_inner).take() {
                Some(found) => SshError::HostKeyChanged {
                    target: name,
                    expected: expected.fingerprint(HashAlg::Sha256).to_string(),
                    found,
                },
                None => unreachable(e),
            });
        }
    };
    let key = PrivateKeyWithHashAlg::new(target.key.private.clone(), None);
    let answer = session.authenticate_publickey(target.user.as_str(), key).await.map_err(unreachable)?;
    if answer.success() {
        Ok(session)
    } else {
        Err(SshError::KeyRefused { target: name, fingerprint: target.key.fingerprint() })
    }
}

/// What the other side's shell gets: every word quoted.
fn remote_line(cmd: &Cmd) -> String {
    let mut line = String::new();
    if let Some(dir) = &cmd.dir {
        line.push_str(&format!("cd {} && ", quoted(&dir.to_string_lossy())));
    }
    for (key, value) in &cmd.env {
        line.push_str(&format!("{}={} ", key.to_string_lossy(), quoted(&value.to_string_lossy())));
    }
    line + &cmd.to_string()
}

#[async_trait]
impl Exec for Ssh {
    async fn run(&self, cmd: &Cmd) -> Result<Output, ExecError> {
        let timed_out = |_| ExecError::TimedOut { program: cmd.program(), target: self.target(), after: cmd.timeout };
        tokio::time::timeout(cmd.timeout, self.run_unbounded(cmd)).await.map_err(timed_out)?
    }

    fn target(&self) -> String {
        self.target.to_string()
    }
}

impl Ssh {
    async fn run_unbounded(&self, cmd: &Cmd) -> Result<Output, ExecError> {
        let not_started = |source: Box<dyn std::error::Error + Send + Sync>| ExecError::NotStarted {
            program: cmd.program(),
            target: self.target(),
            source,
        };
        let lost = || ExecError::Lost { program: cmd.program(), target: self.target() };
        let session = self.session().await.map_err(|e| not_started(Box::new(e)))?;
        let channel = session.channel_open_session().await.map_err(|e| not_started(Box::new(e)))?;
        let (read, write) = channel.split();
        write.exec(true, remote_line(cmd)).await.map_err(|e| not_started(Box::new(e)))?;
        let feed = async {
            if let Some(bytes) = &cmd.stdin {
                write.data(&bytes[..]).await?;
            }
            write.eof().await
        };
        let drained = drain(read);
        tokio::pin!(drained);
        // The program may end without reading all its input; then the feeding never ends and is dropped.
        let ended = tokio::select! {
            ended = &mut drained => ended,
            Ok(()) = feed => drained.await,
        };
        match ended {
            Drained::Ended(output) => Ok(output),
            Drained::Refused => Err(not_started("the server refused to start a command".into())),
            Drained::Broken => Err(lost()),
        }
    }
}

enum Drained {
    Ended(Output),
    Refused,
    Broken,
}

/// Reads until the channel closes: output may still arrive after the exit code.
async fn drain(mut channel: ChannelReadHalf) -> Drained {
    let (mut stdout, mut stderr, mut code) = (Vec::new(), Vec::new(), None);
    while let Some(message) = channel.wait().await {
        match message {
            ChannelMsg::Data { data } => stdout.extend_from_slice(&data),
            ChannelMsg::ExtendedData { data, .. } => stderr.extend_from_slice(&data),
            ChannelMsg::ExitStatus { exit_status } => code = Some(i32::try_from(exit_status).unwrap_or(-1)),
            ChannelMsg::ExitSignal { signal_name, .. } => code = Some(128 + number(&signal_name)),
            ChannelMsg::Failure => return Drained::Refused,
            _ => {}
        }
    }
    code.map_or(Drained::Broken, |code| Drained::Ended(Output { code, stdout, stderr }))
}

fn number(signal: &Sig) -> i32 {
    match signal {
        Sig::HUP => 1,
        Sig::INT => 2,
        Sig::QUIT => 3,
        Sig::ILL => 4,
        Sig::ABRT => 6,
        Sig::FPE => 8,
        Sig::KILL => 9,
        Sig::SEGV => 11,
        Sig::PIPE => 13,
        Sig::ALRM => 14,
        Sig::TERM => 15,
        _ => 127,
    }
}
