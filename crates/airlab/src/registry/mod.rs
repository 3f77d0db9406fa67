//! The lab's registry: airlab's own program, Docker's, or one that is there already.

mod clock;
mod docker;
mod embedded;
mod external;
mod place;
#[cfg(all(test, unix))]
mod tests;

use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::Duration;

use lab::{Lab, Layout, RegistryHost, RegistryKind};
use registry_mirror::BasicLogin;
use steps::{Sink, innermost};

pub use self::clock::host_offset;
use self::docker::Docker;
use self::embedded::Embedded;
use self::external::External;
use self::place::Place;
pub(crate) use self::place::WslAddress;
use crate::plan::Action;
use crate::{AirlabError, Failure};

/// How long a registry that was just started may take to answer.
const STARTS: Duration = Duration::from_secs(30);

/// The registry of a lab, whatever it is.
pub(crate) struct Registry<'a> {
    lab: &'a Lab,
    files: &'a Layout,
    ca_pem: &'a str,
    /// Folder of the running program.
    beside: PathBuf,
    /// Folder of `wsl.exe` and `docker`; empty where the system finds them.
    tools: PathBuf,
    /// For the plan.
    wsl: WslAddress,
}

impl<'a> Registry<'a> {
    /// `ca_pem` is the lab's own authority; `beside` is the folder of the running program.
    pub(crate) fn new(lab: &'a Lab, files: &'a Layout, ca_pem: &'a str, beside: &Path) -> Self {
        Self { lab, files, ca_pem, beside: beside.to_owned(), tools: PathBuf::new(), wsl: None }
    }

    /// The same, with what WSL said of its address.
    pub(crate) fn told(self, wsl: WslAddress) -> Self {
        Self { wsl, ..self }
    }

    /// Asks WSL for its address where the registry is in it.
    fn ask_wsl(&self) -> WslAddress {
        let place = self.place();
        (place.host == RegistryHost::Wsl).then(|| place.wsl_address())
    }

    fn place(&self) -> Place<'_> {
        let host = match self.lab.registry.kind {
            RegistryKind::Embedded { host } | RegistryKind::Docker { host } => host,
            RegistryKind::External { .. } => RegistryHost::Desktop,
        };
        Place { host, tools: &self.tools }
    }

    fn embedded(&self) -> Embedded<'_> {
        Embedded { lab: self.lab, files: self.files, place: self.place(), beside: &self.beside }
    }

    fn docker(&self) -> Docker<'_> {
        Docker { lab: self.lab, files: self.files, place: self.place() }
    }

    fn external(&self) -> Option<External<'_>> {
        match &self.lab.registry.kind {
            RegistryKind::External { address, ca, credentials } => {
                Some(External { address, ca: ca.as_deref(), credentials: credentials.as_deref(), files: self.files })
            }
            _ => None,
        }
    }

    /// Whether *this lab's* registry answers over TLS, by the authority that nodes will trust.
    pub(crate) async fn answers(&self) -> Result<(), String> {
        if let Some(external) = self.external() {
            return external.answers().await;
        }
        let docker = matches!(self.lab.registry.kind, RegistryKind::Docker { .. });
        let path = if docker { "/v2/" } else { "/healthz" };
        let url = format!("https://{}{path}", self.lab.registry_address());
        let answer = client(Some(self.ca_pem))?.get(url).send().await.map_err(|e| innermost(&e))?;
        if answer.status().is_success() { Ok(()) } else { Err(format!("status {}", answer.status())) }
    }

    /// What nodes show the registry, where it is not the lab's own and has a login; tried before it is given away.
    pub(crate) async fn login(&self) -> Result<Option<BasicLogin>, Failure> {
        match self.external() {
            Some(external) => external.login().await,
            None => Ok(None),
        }
    }

    /// Fails when the port belongs to somebody else. Changes nothing.
    pub(crate) async fn port_free_or_ours(&self) -> Result<(), Failure> {
        // In front of WSL the port belongs to Windows' own proxy.
        let elsewhere = self.external().is_some() || self.place().host == RegistryHost::Wsl;
        if elsewhere || self.answers().await.is_ok() {
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

    /// Starts the registry where it does not answer, or brings what the store holds into one that is there already;
    /// says what it did.
    pub(crate) async fn ensure(&self, sink: &dyn Sink) -> Result<Vec<String>, Failure> {
        let started = match &self.lab.registry.kind {
            RegistryKind::Embedded { .. } => self.embedded().ensure(self, sink).await?,
            RegistryKind::Docker { .. } => self.docker().ensure(self, sink).await?,
            RegistryKind::External { .. } => match self.external() {
                Some(external) => return external.fill(sink).await,
                None => false,
            },
        };
        Ok(started.then(|| "registry started".to_owned()).into_iter().collect())
    }

    /// Ends the lab's registry, if it runs; says whether it did. One that is not the lab's own stays as it is.
    pub(crate) async fn stop(&self) -> Result<bool, Failure> {
        match self.lab.registry.kind {
            RegistryKind::Embedded { .. } => self.embedded().stop().await,
            RegistryKind::Docker { .. } => self.docker().remove(),
            RegistryKind::External { .. } => Ok(false),
        }
    }

    /// What [`ensure`](Self::ensure) would do. Pure.
    pub(crate) fn plan(&self) -> Vec<Action> {
        let address = self.lab.registry_address();
        let mut actions = match &self.lab.registry.kind {
            RegistryKind::Embedded { host: RegistryHost::Desktop } => {
                vec![Action::Host { what: format!("background process registry-mirror on {address}") }]
            }
            RegistryKind::Embedded { host: RegistryHost::Wsl } => {
                vec![Action::Run { argv: self.embedded().serve().argv() }]
            }
            RegistryKind::Docker { .. } => vec![Action::Run { argv: self.docker().run("HASH").argv() }],
            RegistryKind::External { ca, credentials, .. } => {
                let by = ca.as_ref().map_or("the system's authorities".to_owned(), |ca| ca.display().to_string());
                let against = format!("a registry that answers over TLS, trusted by {by}");
                let what = format!("images that {address} lacks are brought into it; they stay there");
                let mut actions = vec![Action::Check { path: address.clone().into(), against }];
                actions.extend(credentials.as_ref().map(|file| {
                    let what =
                        format!("name and password for {address} in {} are tried; nodes get them", file.display());
                    Action::Host { what }
                }));
                actions.push(Action::Host { what });
                actions
            }
        };
        let (rules, remark) = self.place().rules(self.lab, &self.wsl);
        actions.extend(rules.into_iter().map(|argv| {
            let line = machine::Cmd::new(&argv[0]).args(&argv[1..]);
            Action::Host { what: format!("nodes need, set by an administrator: {line}") }
        }));
        actions.extend(remark.map(|what| Action::Host { what }));
        actions
    }
}

/// What WSL says of its own address, for [`Plan::of`](crate::Plan::of); `None` for a lab whose registry is not in WSL. Asks
/// `wsl.exe hostname -I`, which starts WSL where it does not run.
pub fn wsl_address(lab: &Lab, files: &Layout) -> Option<Result<Ipv4Addr, String>> {
    Registry::new(lab, files, "", Path::new("")).ask_wsl()
}

/// A client that trusts one CA alone, or the system's, and asks no proxy.
pub(super) fn client(ca_pem: Option<&str>) -> Result<reqwest::Client, String> {
    let builder = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(5));
    let ca = ca_pem.map(|pem| reqwest::Certificate::from_pem(pem.as_bytes())).transpose().map_err(|e| innermost(&e))?;
    let builder = match ca {
        Some(ca) => builder.tls_certs_only([ca]),
        None => builder,
    };
    builder.build().map_err(|e| innermost(&e))
}

/// The authority of an external registry that nodes have to trust beside the lab's own.
pub(crate) fn external_ca(lab: &Lab) -> Result<Option<String>, Failure> {
    let RegistryKind::External { ca: Some(path), .. } = &lab.registry.kind else { return Ok(None) };
    let read = |source| AirlabError::File { path: path.clone(), action: "not read", source };
    Ok(Some(std::fs::read_to_string(path).map_err(read)?))
}
