//! The folder of one machine in the state folder, and the lock by which its supervisor is known to live.

use std::fs::{self, File};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::engine::Kind;
use crate::home::Home;
use crate::vm::Vm;
use crate::wait::until;
use crate::{Failure, files};

#[derive(Debug, Clone)]
pub(crate) struct Place {
    dir: PathBuf,
}

impl Place {
    pub(crate) fn of(home: &Home, id: &str) -> Self {
        Self { dir: home.machines().join(id) }
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// The supervisor's own messages.
    pub(crate) fn log(&self) -> PathBuf {
        self.dir.join("supervisor.log")
    }

    /// `ok`, or `failed` and why: written once by every supervisor.
    pub(crate) fn outcome(&self) -> PathBuf {
        self.dir.join("outcome")
    }

    /// Makes the folder ready for a new supervisor of this engine.
    pub(crate) fn make(&self, vm: &Vm, engine: Kind) -> Result<(), Failure> {
        for name in ["root", "lxcfs"] {
            files::dir(&self.dir.join(name))?;
        }
        files::save(&self.dir.join("engine"), engine.word())?;
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o700);
        fs::set_permissions(&self.dir, mode).map_err(Failure::host("closing the machine's folder to others"))?;
        let _ = fs::remove_file(self.outcome());
        files::save(&self.dir.join("vmx"), &vm.shown())
    }

    /// The .vmx it belongs to.
    pub(crate) fn vmx(&self) -> Option<String> {
        files::read(&self.dir.join("vmx")).ok()
    }

    /// The engine that ran it last, or runs it.
    pub(crate) fn engine(&self) -> Option<Kind> {
        Kind::named(&files::read(&self.dir.join("engine")).ok()?)
    }

    /// Whether a supervisor lives.
    pub(crate) fn is_locked(&self) -> bool {
        self.is_held("lock")
    }

    /// Whether a process holds this lock. The kernel gives it back when the process ends, however it ends.
    pub(crate) fn is_held(&self, lock: &str) -> bool {
        let Ok(file) = File::open(self.dir.join(lock)) else { return false };
        matches!(file.try_lock_shared(), Err(fs::TryLockError::WouldBlock))
    }

    /// Takes the lock for this process, and writes down its process id.
    pub(crate) fn lock(&self) -> Result<File, Failure> {
        let path = self.dir.join("lock");
        let file = File::options().create(true).write(true).truncate(false).open(&path);
        let file = file.map_err(|source| Failure::File { path, doing: "not opened", source })?;
        if !until(Duration::from_secs(2), || file.try_lock().is_ok()) {
            return Err(Failure::host("locking the machine")("another supervisor has it"));
        }
        files::save(&self.dir.join("pid"), &std::process::id().to_string())?;
        Ok(file)
    }

    /// Ends a supervisor.
    pub(crate) fn kill_supervisor(&self) {
        self.kill("pid", "lock");
    }

    /// Ends the process whose id is in this file. The id is only believed while the lock is held.
    pub(crate) fn kill(&self, pid: &str, lock: &str) {
        let pid = files::read(&self.dir.join(pid)).ok().and_then(|text| text.trim().parse().ok());
        if let Some(pid) = pid.and_then(Pid::from_raw).filter(|_| self.is_held(lock)) {
            let _ = kill_process(pid, Signal::KILL);
            until(Duration::from_secs(5), || !self.is_held(lock));
        }
    }

    /// A socket in the folder. Its path must be short, the folder's need not be. The folder stays open as long as the
    /// path is used.
    pub(crate) fn socket(&self, name: &str) -> Result<(File, PathBuf), Failure> {
        let dir = File::open(&self.dir).map_err(Failure::host("opening the machine's folder"))?;
        let path = Path::new("/proc/self/fd").join(dir.as_raw_fd().to_string()).join(name);
        Ok((dir, path))
    }

    /// Removes the folder.
    pub(crate) fn remove(&self) -> Result<(), Failure> {
        match fs::remove_dir_all(&self.dir) {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                Err(Failure::File { path: self.dir.clone(), doing: "not removed", source })
            }
            _ => Ok(()),
        }
    }
}
