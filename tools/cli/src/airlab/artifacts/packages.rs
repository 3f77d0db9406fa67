//! `airlab artifacts packages`.

use std::path::PathBuf;

use artifacts::debian::{Package, Release, closure, read_index, read_installed};
use artifacts::{ArtifactError, Pin, check_pin};
use serde::Serialize;

use super::{LockFile, verdicts};
use crate::tool::Ended;
use crate::{Failure, Ui, exit, table};

#[derive(Debug, clap::Args)]
pub(in crate::airlab) struct PackagesArgs {
    #[command(flatten)]
    lock: LockFile,
    /// A repository's list, Packages, Packages.gz or Packages.xz; the first that has a version is the one it is taken from
    #[arg(long = "index", value_name = "FILE", required = true)]
    indexes: Vec<PathBuf>,
    /// The repository's https:// address, or a folder with the same files: one for all lists, or one for each
    #[arg(long = "base-url", value_name = "URL", required = true)]
    bases: Vec<String>,
    /// The repository's InRelease or Release file, with the digests of its lists
    #[arg(long, value_name = "FILE", requires = "listed")]
    release: Option<PathBuf>,
    /// Keys that must have signed the release file, as in /usr/share/keyrings; gpgv looks. A Release file has its
    /// signature beside it, Release.gpg
    #[arg(long, value_name = "FILE", requires = "release")]
    keyring: Option<PathBuf>,
    /// Where each list lies in the release file, as main/binary-amd64/Packages.gz
    #[arg(long, value_name = "PATH", requires = "release")]
    listed: Vec<String>,
    /// What the nodes have already: a dpkg status file, or lines of NAME VERSION
    #[arg(long, value_name = "FILE")]
    installed: Option<PathBuf>,
    /// The nodes' architecture
    #[arg(long, value_name = "NAME", default_value = "amd64")]
    architecture: String,
    /// Folder for the packages, as it will stand in the lock
    #[arg(long, value_name = "DIR", default_value = "files/packages")]
    folder: String,
    /// Take another list under a name that is pinned already
    #[arg(long)]
    update: bool,
    /// Packages, NAME or NAME=VERSION
    #[arg(value_name = "NAME", required = true)]
    names: Vec<String>,
}

#[derive(Serialize)]
struct Row {
    package: String,
    version: String,
    size: u64,
    new: bool,
}

/// Pins the packages; those of an earlier run that are no longer needed go.
pub(super) fn packages(ui: &Ui, args: &PackagesArgs) -> Ended {
    let mut lock = args.lock.open()?;
    let before = lock.clone();
    let wrong = |why: &str| ArtifactError::Lock { origin: "the command line".into(), why: why.to_owned() };
    if args.bases.len() != 1 && args.bases.len() != args.indexes.len() {
        return Err(wrong("there must be one --base-url, or one for each --index").into());
    }
    if args.release.is_some() && args.listed.len() != args.indexes.len() {
        return Err(wrong("there must be one --listed for each --index").into());
    }
    let release = match (&args.release, &args.keyring) {
        (Some(path), Some(keyring)) => Some(Release::signed_by(path, keyring)?),
        (Some(path), None) => {
            Some(Release::parse(&path.display().to_string(), &String::from_utf8_lossy(&read(path)?))?)
        }
        (None, _) => None,
    };
    let mut offered: Vec<Package> = Vec::new();
    let mut bases = Vec::new();
    for (n, path) in args.indexes.iter().enumerate() {
        let bytes = read(path)?;
        if let Some(release) = &release {
            release.check(&args.listed[n], &bytes)?;
        }
        let pin = index_pin(args, path)?;
        if let Some(known) = before.find(&pin.name).filter(|_| !args.update && release.is_none()) {
            check_pin(known, path, &mut verdicts())?;
        }
        lock.pin(pin);
        let read = read_index(&path.display().to_string(), &bytes, &args.architecture)?;
        bases.extend(std::iter::repeat_n(args.bases.get(n).unwrap_or(&args.bases[0]), read.len()));
        offered.extend(read);
    }
    ui.say(&vouched(args));
    let installed = match &args.installed {
        Some(path) => read_installed(&path.display().to_string(), &read(path)?, &args.architecture)?,
        None => Vec::new(),
    };
    let all = closure(&offered, &installed, &args.names)?;
    lock.artifacts.retain(|pin| pin.kind != "deb");
    let mut rows = Vec::new();
    for package in all {
        let at = offered.iter().position(|p| std::ptr::eq(p, package)).unwrap_or_default();
        let pin = pin(package, bases[at], &args.folder);
        rows.push(Row {
            package: package.name.clone(),
            version: pin.version.clone(),
            size: pin.size,
            new: before.find(&pin.name) != Some(&pin),
        });
        lock.pin(pin);
    }
    artifacts::Lock::parse(&args.lock.path.display().to_string(), &lock.render())?;
    if lock != before {
        args.lock.write(&lock)?;
    }
    ui.result(&rows, |rows| {
        let line = |r: &Row| {
            [if r.new { "new" } else { "same" }.into(), r.package.clone(), r.version.clone(), r.size.to_string()]
        };
        let total: u64 = rows.iter().map(|r| r.size).sum();
        let rows: Vec<[String; 4]> = rows.iter().map(line).collect();
        format!("{}\n{} packages, {total} bytes\n", table(&["STATE", "PACKAGE", "VERSION", "BYTES"], &rows), rows.len())
    })?;
    Ok(exit::OK)
}

/// Whose word the lists are taken on, now; afterwards the lock's.
fn vouched(args: &PackagesArgs) -> String {
    let shown = |path: &std::path::Path| path.display().to_string();
    let now = match (&args.release, &args.keyring) {
        (Some(release), Some(keyring)) => {
            format!("the lists are those of {}, which a key of {} signed", shown(release), shown(keyring))
        }
        (Some(release), None) => {
            format!("the lists are those of {}; who signed it was not looked at (--keyring)", shown(release))
        }
        (None, _) => "nobody but you vouches for the lists (--release, --keyring)".to_owned(),
    };
    format!("{now}. From here on the digests in the lock count, whatever a mirror says")
}

fn read(path: &std::path::Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(path).map_err(|e| Failure::system(format!("reading {}", path.display()), e))
}

/// The list itself is pinned as well: the next run is from the same one.
fn index_pin(args: &PackagesArgs, path: &std::path::Path) -> Result<Pin, Failure> {
    let source = args.lock.written(path);
    let found = verdicts().check(&source, path, None)?;
    let (size, sha256) = (found.size(), found.sha256().to_owned());
    Ok(Pin {
        name: format!("index/{source}"),
        kind: "packages".into(),
        version: "-".into(),
        size,
        sha256,
        sources: vec![source],
    })
}

fn pin(package: &Package, base: &str, folder: &str) -> Pin {
    let file = package.file.clone().expect("a repository's list names every file");
    let title = file.path.rsplit('/').next().unwrap_or(&file.path);
    Pin {
        name: format!("deb/{}", package.name),
        kind: "deb".into(),
        version: package.version.to_string(),
        size: file.size,
        sha256: file.sha256,
        sources: vec![
            format!("{}/{title}", folder.trim_end_matches('/')),
            format!("{}/{}", base.trim_end_matches('/'), file.path),
        ],
    }
}
