//! Docker's `registry:2` over the lab's store, which has its layout, with the lab's certificate. It only serves: what
//! is in the store, airlab puts there.

use std::path::Path;
use std::time::Duration;

use lab::{Lab, Layout};
use machine::{Cmd, ExecError, Local};
use sha2::{Digest, Sha256};
use steps::{Sink, Wait, wait_for};

use super::place::Place;
use super::{Registry, STARTS};
use crate::{AirlabError, Failure};

/// The image; Docker has it beforehand, as there is nowhere to pull it from.
const IMAGE: &str = "registry:2";
/// What a look at the container tells.
const SEEN: &str = r#"{{index .Config.Labels "airlab.lab"}}|{{index .Config.Labels "airlab.spec"}}|{{.State.Running}}"#;

pub(super) struct Docker<'a> {
    pub(super) lab: &'a Lab,
    pub(super) files: &'a Layout,
    pub(super) place: Place<'a>,
}

/// A container under the lab's name.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    lab: String,
    spec: String,
    running: bool,
}

impl Seen {
    fn parse(text: &str) -> Option<Self> {
        let (lab, rest) = text.trim().split_once('|')?;
        let (spec, running) = rest.split_once('|')?;
        Some(Self { lab: lab.to_owned(), spec: spec.to_owned(), running: running == "true" })
    }
}

impl Docker<'_> {
    fn name(&self) -> String {
        format!("airlab-{}-registry", self.lab.name)
    }

    fn docker<'w>(&self, words: impl IntoIterator<Item = &'w str>) -> Cmd {
        self.place.docker().args(words).timeout(Duration::from_secs(120))
    }

    /// The command that makes the container; `spec` is what [`spec`](Self::spec) says of it.
    pub(super) fn run(&self, spec: &str) -> Cmd {
        let mount = |source: &Path, target: &str| {
            let source = field(&format!("source={}", self.place.path(source)));
            format!("type=bind,{source},target={target},readonly")
        };
        let (port, pki) = (self.lab.registry.port, self.files.pki());
        let name = self.name();
        self.docker(["run", "--detach", "--pull", "never", "--restart", "unless-stopped", "--name", &name])
            .args(["--label", &format!("airlab.lab={}", self.lab.name), "--label", &format!("airlab.spec={spec}")])
            .args(["--publish", &format!("{}:{port}:5000", self.place.address(self.lab))])
            .args(["--mount", &mount(&self.files.registry(), "/var/lib/registry")])
            .args(["--mount", &mount(&pki.join("registry.crt"), "/certs/registry.crt")])
            .args(["--mount", &mount(&pki.join("registry.key"), "/certs/registry.key")])
            .args(["--env", "REGISTRY_HTTP_TLS_CERTIFICATE=/certs/registry.crt"])
            .args(["--env", "REGISTRY_HTTP_TLS_KEY=/certs/registry.key"])
            .args(["--env", "REGISTRY_STORAGE_MAINTENANCE_READONLY_ENABLED=true", IMAGE])
    }

    /// A hash over the command and the certificate, so that another of either makes another container.
    fn spec(&self) -> String {
        let mut hash = Sha256::new();
        hash.update(self.run("").argv().join("\0"));
        hash.update(std::fs::read(self.files.pki().join("registry.crt")).unwrap_or_default());
        hex::encode(&hash.finalize()[..8])
    }

    /// The container under the lab's name, or `None` where there is none.
    fn seen(&self) -> Result<Option<Seen>, Failure> {
        let look = self.docker(["container", "inspect", "--format", SEEN, &self.name()]);
        match Local.run_ok(&look) {
            Ok(out) => {
                let text = out.text();
                let strange = || AirlabError::Facts { program: "docker".into(), detail: text.clone() };
                Ok(Some(Seen::parse(&text).ok_or_else(strange)?))
            }
            Err(ExecError::Failed { stderr, .. }) if stderr.to_lowercase().contains("no such container") => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn foreign(&self, seen: &Seen) -> Result<(), AirlabError> {
        let container = self.name();
        if seen.lab == self.lab.name { Ok(()) } else { Err(AirlabError::ForeignContainer { name: container }) }
    }

    /// Looks, makes or starts the container where it is not as wanted, and waits until it answers; says whether it had
    /// to do something.
    pub(super) async fn ensure(&self, registry: &Registry<'_>, sink: &dyn Sink) -> Result<bool, Failure> {
        let (spec, name) = (self.spec(), self.name());
        let seen = self.seen()?;
        if let Some(seen) = &seen {
            self.foreign(seen)?;
        }
        let changed = match seen {
            Some(seen) if seen.spec == spec && seen.running => false,
            Some(seen) if seen.spec == spec => {
                Local.run_ok(&self.docker(["container", "start", &name]))?;
                true
            }
            seen => {
                if Local.run(&self.docker(["image", "inspect", IMAGE]))?.code != 0 {
                    return Err(AirlabError::NoRegistryImage { image: IMAGE }.into());
                }
                if seen.is_some() {
                    Local.run_ok(&self.docker(["container", "rm", "--force", &name]))?;
                }
                Local.run_ok(&self.run(&spec))?;
                true
            }
        };
        let wait = Wait::new(format!("the registry in the container {name} to answer"), STARTS);
        wait_for(wait.every(Duration::from_millis(100)), sink, || registry.answers()).await?;
        Ok(changed)
    }

    /// Removes the container if it is this lab's; says whether it was there.
    pub(super) fn remove(&self) -> Result<bool, Failure> {
        // Without its folder this lab made no container.
        if !self.files.root().exists() {
            return Ok(false);
        }
        match self.seen()? {
            Some(seen) if seen.lab == self.lab.name => {
                Local.run_ok(&self.docker(["container", "rm", "--force", &self.name()]))?;
                Ok(true)
            }
            _ => Ok(false),
        }
    }
}

/// A field of a mount, which Docker reads as a line of CSV.
fn field(text: &str) -> String {
    if text.contains([',', '"']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.to_owned() }
}
