//! What a lock or a bundle has beside that which nodes are made of: Debian packages for them, single programs that have
//! none, and kubectl for this host.

use std::path::{Path, PathBuf};
use std::time::Duration;

use artifacts::ArtifactError;
use k3s_bootstrap::{Artifact, Login};
use lab::Lab;
use machine::{Cmd, Exec};
use registry_mirror::{Blob, Part, Store};
use serde::{Deserialize, Serialize};
use vmware::vmrun::Vmrun;

use crate::images::{hex, url};
use crate::nodes::{Live, each};
use crate::run::Run;
use crate::{AirlabError, Failure, Source, power};

const SCRIPT: &str = include_str!("../../../guest/airlab-packages");
const REPOSITORY: &str = "airlab/packages";
/// Where a node keeps packages until they are installed.
const KEPT: &str = "/var/cache/airlab";
/// Where a node has programs that are no package.
const PROGRAMS: &str = "/usr/local/bin";
/// Names that k3s and airlab have there.
const TAKEN: [&str; 4] = ["k3s", "kubectl", "crictl", "ctr"];
/// What an emulated machine may need to unpack and set up a few hundred of them.
const INSTALL: Duration = Duration::from_secs(15 * 60);

/// Who takes a file, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExtraKind {
    /// `dpkg` installs it.
    Package,
    /// It goes to `/usr/local/bin` of nodes.
    Program,
    /// It goes to the lab's folder on this host, if it is for this host's system.
    Kubectl,
}

/// A Debian package or a program for every node that airlab makes, or kubectl for this host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extra {
    /// Its name in the lock: `deb/socat`, `yq`.
    pub pin: String,
    /// Who takes it, and how.
    pub kind: ExtraKind,
    /// Its version; `-` where nobody said.
    pub version: String,
    /// The file.
    pub source: Source,
}

impl Extra {
    /// A file of a lock or a bundle, `origin`; `None` for one of another kind.
    ///
    /// # Errors
    /// [`ArtifactError::Lock`] for a name or version that no package can have, and for a program in the place of
    /// another.
    pub(crate) fn of(
        origin: &str,
        (pin, kind, version): (&str, &str, &str),
        source: Source,
    ) -> Result<Option<Self>, ArtifactError> {
        let kind = match kind {
            "deb" => ExtraKind::Package,
            "binary" => ExtraKind::Program,
            "kubectl" => ExtraKind::Kubectl,
            _ => return Ok(None),
        };
        let file = Self { pin: pin.to_owned(), kind, version: version.to_owned(), source };
        let name = file.name();
        let plain = name.starts_with(|c: char| c.is_ascii_alphanumeric())
            && name.chars().all(|c| c.is_ascii_alphanumeric() || "+-._".contains(c));
        let said = !version.is_empty() && version.chars().all(|c| c.is_ascii_graphic());
        let why = match kind {
            ExtraKind::Program if TAKEN.contains(&name) => Some("k3s has a program of that name"),
            _ if !plain => Some("no package and no program can be called so"),
            _ if !said => Some("its version has spaces, or is none"),
            _ => None,
        };
        match why {
            Some(why) => Err(ArtifactError::Lock { origin: origin.to_owned(), why: format!("{pin}: {why}") }),
            None => Ok(Some(file)),
        }
    }

    /// The kind that its pin has.
    pub(crate) fn pin_kind(&self) -> &'static str {
        match self.kind {
            ExtraKind::Package => "deb",
            ExtraKind::Program => "binary",
            ExtraKind::Kubectl => "kubectl",
        }
    }

    /// The package's or program's own name.
    pub fn name(&self) -> &str {
        match self.kind {
            ExtraKind::Package => self.pin.strip_prefix("deb/").unwrap_or(&self.pin),
            ExtraKind::Program | ExtraKind::Kubectl => self.pin.rsplit('/').next().unwrap_or(&self.pin),
        }
    }
}

/// Files for nodes as they lie in the registry.
#[derive(Debug, Default)]
pub(crate) struct Stock(Vec<(Extra, Blob)>);

impl Stock {
    /// Brings them into the store; says too whether anything was written.
    pub(crate) fn put(extras: &[Extra], store: &Store) -> Result<(Self, bool), Failure> {
        let for_nodes = |file: &&Extra| match file.kind {
            ExtraKind::Package => true,
            ExtraKind::Program => !artifacts::is_for_windows(&file.source.path),
            ExtraKind::Kubectl => false,
        };
        let files: Vec<&Extra> = extras.iter().filter(for_nodes).collect();
        if files.is_empty() {
            return Ok((Self::default(), false));
        }
        let parts: Vec<Part<'_>> = files
            .iter()
            .map(|f| Part { title: &f.pin, path: &f.source.path, sha256: f.source.sha256.as_deref() })
            .collect();
        let put = store.put_artifact(REPOSITORY, "nodes", &parts)?;
        Ok((Self(files.into_iter().cloned().zip(put.blobs).collect()), put.changed))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What a node fetches: every program, and of the packages those of these names.
    fn wanted(&self, lab: &Lab, missing: &[&str]) -> Vec<Artifact> {
        let wanted = self.0.iter().filter(|(file, _)| match file.kind {
            ExtraKind::Package => missing.contains(&file.name()),
            _ => true,
        });
        let artifact = |(file, blob): &(Extra, Blob)| Artifact {
            url: url(lab, blob),
            sha256: hex(blob).to_owned(),
            path: place(file, blob),
            mode: if file.kind == ExtraKind::Program { 0o755 } else { 0o644 },
        };
        wanted.map(artifact).collect()
    }

    /// The packages as the node's script reads them.
    fn list(&self) -> String {
        let line = |(file, blob): &(Extra, Blob)| format!("{} {} {}\n", file.name(), file.version, place(file, blob));
        self.0.iter().filter(|(file, _)| file.kind == ExtraKind::Package).map(line).collect()
    }
}

fn place(file: &Extra, blob: &Blob) -> String {
    match file.kind {
        ExtraKind::Package => format!("{KEPT}/{}.deb", hex(blob)),
        _ => format!("{PROGRAMS}/{}", file.name()),
    }
}

/// Puts the kubectl that is for this system into the lab's folder; says where.
pub(crate) fn kubectl(run: &Run<'_>, extras: &[Extra]) -> Result<Option<PathBuf>, Failure> {
    let windows = cfg!(windows);
    let ours =
        |file: &&Extra| file.kind == ExtraKind::Kubectl && artifacts::is_for_windows(&file.source.path) == windows;
    let Some(file) = extras.iter().find(ours) else { return Ok(None) };
    let path = run.files.root().join("bin").join(if windows { "kubectl.exe" } else { "kubectl" });
    let fail = |source| AirlabError::File { path: file.source.path.clone(), action: "not read", source };
    let content = std::fs::read(&file.source.path).map_err(fail)?;
    run.changed_if(
        machine::write_file(&path, &content, 0o755)?,
        format!("kubectl {} at {}", file.version, path.display()),
    );
    Ok(Some(path))
}

/// Brings every node that airlab made what it lacks of them; an existing host is its owner's.
pub(crate) async fn ensure_all(
    run: &Run<'_>,
    vmrun: &Vmrun,
    stock: &Stock,
    login: Option<&Login>,
    live: &[Live],
) -> Result<(), Failure> {
    let ours = live.iter().filter(|live| live.node.host.is_none());
    each(ours.map(|live| async move {
        let (name, node) = (format!("packages/{}", live.node.name), [&live.node]);
        let work = ensure(run, stock, login, live);
        run.step(&name, power::while_on(run, vmrun, &node, power::LOOK, work)).await
    }))
    .await
    .map(drop)
}

/// A package that is there in a later version stays.
async fn ensure(run: &Run<'_>, stock: &Stock, login: Option<&Login>, live: &Live) -> Result<(), Failure> {
    let (name, list) = (&live.node.name, stock.list());
    let missing = on_node(live, "look", &list).await?;
    let missing: Vec<&str> = missing.lines().collect();
    let wanted = stock.wanted(run.lab, &missing);
    let fetched = k3s_bootstrap::fetch(&live.ssh, name, login, &wanted, INSTALL).await?;
    for path in fetched.iter().filter(|path| !Path::new(path).starts_with(KEPT)) {
        run.changed(format!("{name}: {path} fetched"));
    }
    if missing.is_empty() {
        return Ok(());
    }
    for line in on_node(live, "install", &list).await?.lines() {
        run.changed(format!("{name}: {line}"));
    }
    let left = on_node(live, "look", &list).await?;
    if left.is_empty() {
        return Ok(());
    }
    let last = format!("not there after dpkg: {}", left.lines().collect::<Vec<_>>().join(", "));
    Err(AirlabError::Packages { node: name.clone(), last }.into())
}

async fn on_node(live: &Live, verb: &str, list: &str) -> Result<String, Failure> {
    let cmd = Cmd::new("sh").args(["-c", SCRIPT, "sh", verb]).as_root().stdin(list.to_owned()).timeout(INSTALL);
    let out = live.ssh.run(&cmd).await?;
    if out.code != 0 {
        let text = out.error_text();
        let told = text.lines().filter(|line| line.starts_with("dpkg: error") || line.starts_with(' '));
        let mut last = told.take(6).map(str::trim).collect::<Vec<_>>().join("; ");
        if last.is_empty() {
            last = text.lines().last().unwrap_or("no output").to_owned();
        }
        return Err(AirlabError::Packages { node: live.node.name.clone(), last }.into());
    }
    Ok(out.text())
}

#[cfg(test)]
mod tests;
