//! The namespace and the bridge.

use std::fs;
use std::path::{Path, PathBuf};

use machine::{Cmd, Local};

use super::{Mode, Spec};
use crate::Failure;
use crate::home::Home;

/// The bridge's name, VMware's own for its host-only network.
pub(crate) const BRIDGE: &str = "vmnet1";

/// The address of VMware's own adapter in it.
const MAC: &str = "00:50:56:c0:00:01";

/// Marks a file as a bound namespace (`NSFS_MAGIC` in linux/magic.h).
const NSFS: u64 = 0x6e73_6673;

/// Where the network is.
#[derive(Debug, Clone)]
pub(crate) struct Lab {
    namespace: Option<PathBuf>,
    bridge: bool,
}

impl Lab {
    pub(super) fn of(home: &Home, spec: &Spec) -> Self {
        let namespace = (spec.mode == Mode::Namespace).then(|| home.net().join("ns"));
        Self { namespace, bridge: spec.mode != Mode::User }
    }

    /// The file that the namespace is bound to; none where the bridge is in the caller's own network.
    pub(crate) fn namespace(&self) -> Option<&Path> {
        self.namespace.as_deref()
    }

    /// A command run inside the network.
    pub(crate) fn cmd(&self, program: &str) -> Cmd {
        match &self.namespace {
            Some(path) => Cmd::new("nsenter").arg(format!("--net={}", path.display())).arg("--").arg(program),
            None => Cmd::new(program),
        }
    }

    /// `ip` inside the network.
    pub(crate) fn ip<const N: usize>(&self, args: [&str; N]) -> Result<String, Failure> {
        let cmd = self.cmd("ip").args(args);
        let out = Local.run_ok(&cmd).map_err(Failure::exec(format!("ip {}", args.join(" "))))?;
        Ok(out.text())
    }

    fn bound(&self) -> bool {
        self.namespace.as_ref().is_none_or(|path| is_bound(path))
    }

    /// Whether bridge and address are there. A user's network is made with each machine.
    pub(super) fn is_up(&self, spec: &Spec) -> bool {
        if !self.bridge {
            return true;
        }
        let wanted = format!(" {}/{} ", spec.address, spec.prefix);
        self.bound() && self.ip(["-o", "addr", "show", "dev", BRIDGE, "up"]).is_ok_and(|text| text.contains(&wanted))
    }

    /// Makes what is missing; says whether the bridge was made.
    pub(super) fn make(&self, spec: &Spec) -> Result<bool, Failure> {
        if let Some(path) = &self.namespace
            && !self.bound()
        {
            fs::write(path, "").map_err(|source| Failure::File { path: path.clone(), doing: "not written", source })?;
            let cmd = Cmd::new("unshare").arg(format!("--net={}", path.display())).arg("true");
            Local.run_ok(&cmd).map_err(Failure::exec("making a network namespace"))?;
            self.ip(["link", "set", "lo", "up"])?;
        }
        let made = self.ip(["link", "show", "dev", BRIDGE]).is_err();
        if made {
            // With an address of its own: it would take a machine's, and change it when that one goes.
            self.ip(["link", "add", BRIDGE, "address", MAC, "type", "bridge", "forward_delay", "0", "stp_state", "0"])?;
        }
        self.ip(["addr", "replace", &format!("{}/{}", spec.address, spec.prefix), "dev", BRIDGE])?;
        self.ip(["link", "set", BRIDGE, "up"])?;
        Ok(made)
    }

    /// Removes what is ours.
    pub(super) fn remove(&self, spec: &Spec) -> Result<(), Failure> {
        match &self.namespace {
            Some(path) => {
                if self.bound() {
                    rustix::mount::unmount(path, rustix::mount::UnmountFlags::DETACH)
                        .map_err(Failure::host("removing the network namespace"))?;
                }
                let _ = fs::remove_file(path);
            }
            None if spec.made && self.ip(["link", "show", "dev", BRIDGE]).is_ok() => {
                self.ip(["link", "del", BRIDGE])?;
            }
            None => {}
        }
        Ok(())
    }
}

fn is_bound(path: &Path) -> bool {
    rustix::fs::statfs(path).is_ok_and(|s| u64::try_from(s.f_type).unwrap_or(0) == NSFS)
}
