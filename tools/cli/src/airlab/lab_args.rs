//! Which lab a command is about.

use std::path::{Path, PathBuf};

use airlab::{Context, Failure as Stopped};
use clap::Args;
use lab::{Artifacts, Lab};
use steps::Problem;

use crate::Failure;
use crate::failure::LabFile;

/// The lab file and the word for the provider.
#[derive(Debug, Clone, Args)]
pub(crate) struct LabArgs {
    /// The lab file; ./airlab.toml, or else the built-in demo lab
    #[arg(long, value_name = "FILE", env = "AIRLAB_LAB")]
    pub(super) lab: Option<PathBuf>,
    /// How the provider runs nodes; handed on to it as it is
    #[arg(long, value_name = "NAME", env = "AIRLAB_ENGINE")]
    pub(super) engine: Option<String>,
}

impl LabArgs {
    fn file(&self) -> Option<PathBuf> {
        let usual = PathBuf::from("airlab.toml");
        self.lab.clone().or_else(|| usual.exists().then_some(usual))
    }

    /// The lab file and its text, for commands that write into it.
    pub(super) fn text(&self) -> Result<(PathBuf, String), Failure> {
        let Some(file) = self.file() else {
            let why =
                "there is none: this is the built-in demo lab. `airlab config sample --demo > airlab.toml` makes one";
            return Err(LabFile::new(Path::new("airlab.toml"), why.into()).into());
        };
        let doing = format!("reading {}", file.display());
        let text = std::fs::read_to_string(&file).map_err(|e| Failure::system(doing, e))?;
        Ok((file, text))
    }

    /// The lab with its paths and its provider.
    pub(crate) fn context(&self) -> Result<Context, Failure> {
        let lab = match self.file() {
            Some(file) => Lab::load(&file)?,
            None => Lab::parse(Path::new("labs/demo.toml"), lab::DEMO)?,
        };
        let here = std::env::current_dir().map_err(|e| Failure::system("looking where we are", e))?;
        let program = std::env::current_exe().map_err(|e| Failure::system("looking which program this is", e))?;
        let beside = program.parent().unwrap_or(Path::new(".")).to_owned();
        Ok(Context::new(lab, &here.join(".airlab"), &beside, self.engine.as_deref()))
    }
}

impl LabArgs {
    /// The lock of a lab: the one its file names, or `airlab.lock` beside it, where there is one.
    pub(super) fn lock_file(&self, lab: &Lab) -> Option<PathBuf> {
        if let lab::Artifacts::Files { lock: Some(lock), .. } = &lab.artifacts {
            return Some(lock.clone());
        }
        let beside = self.lab.as_deref().unwrap_or(Path::new("airlab.toml")).with_file_name("airlab.lock");
        beside.exists().then_some(beside)
    }
}

/// Files to use instead of those that the lab file names.
#[derive(Debug, Clone, Default, Args)]
pub(super) struct Real {
    /// The true k3s program, instead of the demo lab's stand-in
    #[arg(long, value_name = "FILE", requires = "airgap")]
    pub(super) k3s: Option<PathBuf>,
    /// The air-gap images that belong to it (.tar or .tar.gz)
    #[arg(long, value_name = "FILE", requires = "k3s")]
    pub(super) airgap: Option<PathBuf>,
    /// Take everything from this bundle: its manifest, or the folder with it
    #[arg(long, value_name = "BUNDLE", requires = "trust", conflicts_with = "k3s")]
    bundle: Option<PathBuf>,
    /// The public key that must vouch for the bundle
    #[arg(long, value_name = "FILE", requires = "bundle")]
    trust: Option<PathBuf>,
}

impl Real {
    /// The lab, made from the bundle that the command line names, where it names one.
    pub(super) fn applied(&self, mut context: Context) -> Context {
        if let (Some(bundle), Some(trust)) = (&self.bundle, &self.trust) {
            context.lab.artifacts = Artifacts::Bundle { bundle: bundle.clone(), trust: trust.clone() };
        }
        context
    }
}

/// A run that stopped, as a problem: the same id and arguments, and the step beside them.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.problem())]
pub(super) struct RunStopped(pub(super) Stopped);

impl Problem for RunStopped {
    fn id(&self) -> &'static str {
        self.0.problem().id()
    }

    fn args(&self) -> Vec<(&'static str, String)> {
        let mut args = self.0.problem().args();
        if let Some(step) = &self.0.step {
            args.push(("step", step.clone()));
        }
        args
    }

    fn also(&self) -> Vec<&dyn Problem> {
        self.0.problem().also()
    }
}

/// Turns a stopped run into what the tools show.
pub(crate) fn stopped(failure: Stopped) -> Failure {
    RunStopped(failure).into()
}
