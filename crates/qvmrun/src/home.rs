//! The state folder.

use std::path::{Path, PathBuf};

use crate::Failure;

/// `QVMRUN_HOME`: everything qvmrun keeps is below it.
#[derive(Debug, Clone)]
pub(crate) struct Home {
    dir: PathBuf,
}

impl Home {
    /// From `QVMRUN_HOME`, else `~/.local/state/qvmrun`.
    pub(crate) fn from_env() -> Result<Self, Failure> {
        let dir = match (std::env::var_os("QVMRUN_HOME"), std::env::var_os("HOME")) {
            (Some(dir), _) if !dir.is_empty() => PathBuf::from(dir),
            (_, Some(home)) if !home.is_empty() => Path::new(&home).join(".local/state/qvmrun"),
            _ => return Err(Failure::NoHome),
        };
        let dir =
            std::path::absolute(&dir).map_err(|source| Failure::File { path: dir, doing: "not found", source })?;
        Ok(Self { dir })
    }

    /// A home somewhere, for tests.
    #[cfg(test)]
    pub(crate) fn at(dir: &Path) -> Self {
        Self { dir: dir.to_owned() }
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(crate) fn calls_log(&self) -> PathBuf {
        self.dir.join("calls.log")
    }

    /// The network's files.
    pub(crate) fn net(&self) -> PathBuf {
        self.dir.join("net")
    }

    /// Extracted installer and seed volumes.
    pub(crate) fn volumes(&self) -> PathBuf {
        self.dir.join("volumes")
    }

    /// The folders of machines that run or ran.
    pub(crate) fn machines(&self) -> PathBuf {
        self.dir.join("machines")
    }
}
