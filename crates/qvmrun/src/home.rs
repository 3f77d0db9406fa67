//! The state folder.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::{Failure, files};

/// How long a call waits for another one about the same machine.
const PATIENCE: Duration = Duration::from_secs(3600);

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

    /// Takes a machine's lock for this process; others wait, for as long as copying a disk may take.
    pub(crate) fn hold(&self, id: &str) -> Result<File, Failure> {
        let dir = self.dir.join("locks");
        files::dir(&dir)?;
        let path = dir.join(id);
        let file = File::options().create(true).write(true).truncate(false).open(&path);
        let file = file.map_err(|source| Failure::File { path, doing: "not opened", source })?;
        let begun = Instant::now();
        while file.try_lock().is_err() {
            if begun.elapsed() > PATIENCE {
                return Err(Failure::host("waiting for another call about the machine")("it does not end"));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(file)
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
