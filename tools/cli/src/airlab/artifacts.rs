//! `airlab artifacts`: the files from outside, and the lock that pins them.

mod files;
mod images;
mod packages;
mod pins;

use std::path::{Path, PathBuf};

use artifacts::{ArtifactError, Lock, Pin, Store, Verdicts};
use clap::{Args, Subcommand};

use crate::tool::Ended;
use crate::{Failure, Ui};

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Pin files that are at hand: those the lab file names, and others
    #[command(after_help = "Examples:
  airlab artifacts lock                                  installer, k3s and its images of ./airlab.toml
  airlab artifacts lock --file ks-core:chart=files/ks-core-1.1.4.tgz
  airlab artifacts lock --file kubectl-windows:kubectl=files/kubectl.exe \\
      --url kubectl-windows=https://dl.k8s.io/release/v1.33.4/bin/windows/amd64/kubectl.exe
  airlab artifacts lock --update                         after a new version was put in place")]
    Lock(pins::LockArgs),
    /// Bring every pinned file to its place, from its addresses where it is missing
    #[command(after_help = "Examples:
  airlab artifacts fetch                  everything in ./airlab.lock
  airlab artifacts fetch k3s installer    only these
Only the lock says what a file must be: a checksum file beside a download is never asked for.")]
    Fetch(files::FetchArgs),
    /// Say which pinned files are there, missing or wrong; exit code 40 unless all are there
    #[command(after_help = "Examples:
  airlab artifacts check
  airlab artifacts check --output json")]
    Check(files::CheckArgs),
    /// Say whether every image that k3s and charts ask for is in the lock by its digest; exit code 40 if not
    #[command(after_help = "Examples:
  helm template ks-core files/ks-core-1.1.4.tgz > rendered.yaml
  airlab artifacts images --rendered rendered.yaml")]
    Images(images::ImagesArgs),
    /// Pin Debian or Ubuntu packages with all they need, from a repository's Packages list
    #[command(after_help = "Examples:
  airlab artifacts packages --index Packages.gz --base-url https://mirror.example/ubuntu \\
      --installed status jq socat conntrack
  airlab artifacts packages --index main.gz --index universe.gz --base-url https://mirror.example/ubuntu \\
      --release InRelease --listed main/binary-amd64/Packages.gz --listed universe/binary-amd64/Packages.gz jq
The nodes' dpkg status file (/var/lib/dpkg/status) says what they have already.
What is verified: every package by the list's SHA-256, the list by its pin in the lock or by --release. Whether the
distribution signed the release file is not looked at here: gpgv --keyring ubuntu-archive-keyring.gpg InRelease does.")]
    Packages(packages::PackagesArgs),
}

/// The lock file.
#[derive(Debug, Clone, Args)]
pub(super) struct LockFile {
    /// The lock file
    #[arg(long = "lock", value_name = "FILE", default_value = "airlab.lock")]
    path: PathBuf,
}

impl LockFile {
    /// The folder from which the paths in it are meant.
    fn folder(&self) -> PathBuf {
        self.path.parent().map(Path::to_owned).unwrap_or_default()
    }

    /// To look at; its paths are meant from here.
    fn read(&self) -> Result<Lock, Failure> {
        Ok(Lock::load(&self.path)?)
    }

    /// To change; an empty one where there is none.
    fn open(&self) -> Result<Lock, Failure> {
        Ok(if self.path.exists() { Lock::load_as_is(&self.path)? } else { Lock::default() })
    }

    fn write(&self, lock: &Lock) -> Result<(), Failure> {
        machine::write_file(&self.path, lock.render().as_bytes(), 0o644)?;
        Ok(())
    }

    /// A path as it stands in the lock: from the lock's folder where it lies below it, with slashes.
    fn written(&self, path: &Path) -> String {
        let here = std::env::current_dir().unwrap_or_default();
        let (folder, whole) = (here.join(self.folder()), here.join(path));
        match whole.strip_prefix(&folder) {
            Ok(inside) => inside.display().to_string().replace('\\', "/"),
            Err(_) => path.display().to_string(),
        }
    }
}

fn cache() -> PathBuf {
    crate::ui::cache_dir().unwrap_or_else(std::env::temp_dir)
}

fn verdicts() -> Verdicts {
    Verdicts::open(&cache().join("verdicts.json"))
}

fn store() -> Store {
    Store::new(&cache())
}

/// Where a pin's file belongs: its first path.
fn place(pin: &Pin) -> Result<PathBuf, ArtifactError> {
    pin.paths().next().ok_or_else(|| ArtifactError::Lock {
        origin: "the lock".into(),
        why: format!("{}: none of its sources is a path, so it has no place here", pin.name),
    })
}

/// Runs a verb.
pub(super) async fn run(ui: &Ui, verb: Verb) -> Ended {
    match verb {
        Verb::Lock(args) => pins::lock(ui, &args),
        Verb::Fetch(args) => files::fetch(ui, &args).await,
        Verb::Check(args) => files::check(ui, &args),
        Verb::Images(args) => images::images(ui, &args).await,
        Verb::Packages(args) => packages::packages(ui, &args),
    }
}
