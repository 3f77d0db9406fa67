//! lxcfs: what a node sees of memory, processors and uptime is its own.

use std::path::PathBuf;
use std::time::Duration;

use machine::{Background, Cmd, Local};
use rustix::mount::{UnmountFlags, unmount};

use crate::Failure;
use crate::child::child;
use crate::place::Place;
use crate::wait::until;

/// A running lxcfs; it ends with the supervisor at the latest.
#[derive(Debug)]
pub(super) struct Lxcfs {
    mount_point: PathBuf,
    _process: Background,
}

impl Lxcfs {
    pub(super) fn start(place: &Place) -> Result<Self, Failure> {
        let mount_point = place.dir().join("lxcfs");
        let cmd = Cmd::new("lxcfs").args(["--foreground", "--pidfile"]).arg(place.dir().join("lxcfs.pid"));
        let cmd = child(&cmd.arg(&mount_point), None)?;
        let process = Local.start(&cmd, &place.log()).map_err(Failure::exec("starting lxcfs"))?;
        let file = mount_point.join("proc/meminfo");
        if !until(Duration::from_secs(10), || file.exists() || process.ended().is_some()) || !file.exists() {
            let log = place.log().display().to_string();
            return Err(Failure::host("starting lxcfs")(format!("it shows nothing; see {log}")));
        }
        Ok(Self { mount_point, _process: process })
    }

    /// The folder with its versions of files in /proc.
    pub(super) fn proc(&self) -> PathBuf {
        self.mount_point.join("proc")
    }
}

impl Drop for Lxcfs {
    fn drop(&mut self) {
        let _ = unmount(&self.mount_point, UnmountFlags::DETACH);
    }
}
