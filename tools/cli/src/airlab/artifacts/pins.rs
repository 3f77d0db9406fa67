//! `airlab artifacts lock`.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::str::FromStr;

use airlab::{CHART, PINNED, Sources};
use artifacts::{ArtifactError, Pin};
use serde::Serialize;

use super::super::lab_args::LabArgs;
use super::{LockFile, verdicts};
use crate::tool::Ended;
use crate::{Failure, Ui, exit, table};

#[derive(Debug, clap::Args)]
pub(in crate::airlab) struct LockArgs {
    #[command(flatten)]
    lab: LabArgs,
    #[command(flatten)]
    lock: LockFile,
    /// A further file: its name, what it is (iso, k3s, airgap-images, chart, kubectl, deb, binary), and where it lies
    #[arg(long = "file", value_name = "NAME:KIND=PATH")]
    files: Vec<Named>,
    /// An https:// address of a file, by its name; several are tried in this order
    #[arg(long = "url", value_name = "NAME=URL")]
    urls: Vec<Address>,
    /// A file's version, by its name
    #[arg(long = "version-of", value_name = "NAME=VERSION")]
    versions: Vec<Address>,
    /// Take other content under a name that is pinned already
    #[arg(long)]
    update: bool,
}

#[derive(Debug, Clone)]
struct Named {
    name: String,
    kind: String,
    path: PathBuf,
}

impl FromStr for Named {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.split_once('=').and_then(|(front, path)| Some((front.split_once(':')?, path)));
        match parts {
            Some(((name, kind), path)) if !name.is_empty() && !kind.is_empty() && !path.is_empty() => {
                Ok(Self { name: name.into(), kind: kind.into(), path: path.into() })
            }
            _ => Err("write NAME:KIND=PATH, as in kubectl:kubectl=files/kubectl".into()),
        }
    }
}

#[derive(Debug, Clone)]
struct Address {
    name: String,
    value: String,
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            Some((name, value)) if !name.is_empty() && !value.is_empty() => {
                Ok(Self { name: name.into(), value: value.into() })
            }
            _ => Err("write NAME=VALUE".into()),
        }
    }
}

#[derive(Serialize)]
struct Row {
    name: String,
    state: &'static str,
    size: u64,
    sha256: String,
}

/// Pins the files; all are looked at before the lock is written.
pub(super) fn lock(ui: &Ui, args: &LockArgs) -> Ended {
    let mut lock = args.lock.open()?;
    let before = lock.clone();
    let wanted = wanted(args)?;
    if wanted.is_empty() {
        let why = "nothing to pin: the lab file names no files (source = \"files\"), and there is no --file".to_owned();
        return Err(ArtifactError::Lock { origin: args.lock.path.display().to_string(), why }.into());
    }
    let mut verdicts = verdicts();
    let mut rows = Vec::new();
    for (Named { name, kind, path }, version) in wanted {
        let found = verdicts.check(&name, &path, None)?;
        artifacts::check_form(&name, &kind, &path)?;
        let old = before.find(&name);
        if let Some(old) = old.filter(|old| !args.update && !old.sha256.eq_ignore_ascii_case(found.sha256())) {
            let (origin, wanted, got) = (path.display().to_string(), old.sha256.clone(), found.sha256().to_owned());
            return Err(ArtifactError::WrongDigest { name, origin, wanted, got }.into());
        }
        let mut sources = vec![args.lock.written(&path)];
        let urls: Vec<&String> = args.urls.iter().filter(|u| u.name == name).map(|u| &u.value).collect();
        let known = old.map(|old| old.sources.as_slice()).unwrap_or_default();
        let known = known.iter().filter(|source| urls.is_empty() && source.contains("://"));
        sources.extend(urls.iter().copied().chain(known).cloned());
        let version = version.or_else(|| old.map(|old| old.version.clone())).unwrap_or_else(|| "-".into());
        let pin = Pin { name, kind, version, size: found.size(), sha256: found.sha256().to_owned(), sources };
        let state = match (old.is_some(), lock.pin(pin.clone())) {
            (false, _) => "new",
            (true, true) => "changed",
            (true, false) => "same",
        };
        rows.push(Row { name: pin.name, state, size: pin.size, sha256: pin.sha256 });
    }
    // what stands in it must be readable again
    artifacts::Lock::parse(&args.lock.path.display().to_string(), &lock.render())?;
    if lock != before {
        args.lock.write(&lock)?;
    }
    ui.result(&rows, |rows| {
        let rows: Vec<[String; 4]> =
            rows.iter().map(|r| [r.state.into(), r.name.clone(), r.size.to_string(), r.sha256.clone()]).collect();
        table(&["STATE", "FILE", "BYTES", "SHA-256"], &rows)
    })?;
    Ok(exit::OK)
}

/// The files of the lab file, then those of the command line, which come in place of one of the same name.
fn wanted(args: &LockArgs) -> Result<Vec<(Named, Option<String>)>, Failure> {
    let said: BTreeMap<&str, &str> = args.versions.iter().map(|v| (v.name.as_str(), v.value.as_str())).collect();
    let version = |name: &str| said.get(name).map(|version| (*version).to_owned());
    let context = args.lab.context()?;
    let mut all = Vec::new();
    if let Some(sources) = Sources::named(&context.lab.artifacts) {
        let versions = &context.lab.versions;
        let files = [(sources.iso, &versions.ubuntu), (sources.k3s, &versions.k3s), (sources.airgap, &versions.k3s)];
        for ((name, kind), (source, of_lab)) in PINNED.into_iter().zip(files) {
            let named = Named { name: name.into(), kind: kind.into(), path: source.path };
            all.push((named, version(name).or_else(|| Some(of_lab.clone()))));
        }
    }
    if let Some(kubesphere) = &context.lab.kubesphere {
        let (name, kind) = CHART;
        all.push((Named { name: name.into(), kind: kind.into(), path: kubesphere.chart.clone() }, version(name)));
    }
    for file in &args.files {
        all.retain(|(other, _)| other.name != file.name);
        all.push((file.clone(), version(&file.name)));
    }
    let unknown = args.urls.iter().chain(&args.versions).find(|a| all.iter().all(|(file, _)| file.name != a.name));
    match unknown {
        None => Ok(all),
        Some(unknown) => {
            let why = format!("{}: no file of this name is to be pinned", unknown.name);
            Err(ArtifactError::Lock { origin: "the command line".into(), why }.into())
        }
    }
}
