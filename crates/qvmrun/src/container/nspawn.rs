//! The command line of a node.

use std::path::{Path, PathBuf};

use machine::Cmd;

/// A file or folder of the host at a place inside the node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Bind {
    pub(super) from: PathBuf,
    pub(super) to: &'static str,
    pub(super) writable: bool,
}

impl Bind {
    pub(super) fn read_only(from: impl Into<PathBuf>, to: &'static str) -> Self {
        Self { from: from.into(), to, writable: false }
    }

    pub(super) fn writable(from: impl Into<PathBuf>, to: &'static str) -> Self {
        Self { from: from.into(), to, writable: true }
    }

    fn argument(&self) -> String {
        let option = if self.writable { "--bind" } else { "--bind-ro" };
        let from = self.from.display().to_string().replace('\\', "\\\\").replace(':', "\\:");
        format!("{option}={from}:{}", self.to)
    }
}

/// What a node is made of.
#[derive(Debug)]
pub(super) struct Node<'a> {
    pub(super) name: &'a str,
    pub(super) root: &'a Path,
    pub(super) network: &'a Path,
    pub(super) binds: &'a [Bind],
    /// `disk` or `cdrom`, for the pre-init.
    pub(super) medium: &'static str,
}

impl Node<'_> {
    /// systemd-nspawn with what a Kubernetes node needs, and without what could change the host: its clock, its
    /// modules, its raw devices, its kernel settings outside `net`.
    pub(super) fn cmd(&self) -> Cmd {
        let (root, network) = (self.root.display(), self.network.display());
        Cmd::new("env")
            .args(["SYSTEMD_NSPAWN_API_VFS_WRITABLE=network", "SYSTEMD_SECCOMP=0", "systemd-nspawn", "--quiet"])
            .args(["--settings=no", "--register=no", "--keep-unit", "--kill-signal=SIGRTMIN+3"])
            .args(["--resolv-conf=off", "--timezone=off", "--link-journal=no", "--console=read-only"])
            .args(["--capability=all", "--drop-capability=CAP_SYS_TIME,CAP_SYS_MODULE,CAP_SYS_RAWIO"])
            .arg(format!("--machine={}", self.name))
            .arg(format!("--directory={root}"))
            .arg(format!("--network-namespace-path={network}"))
            .args(self.binds.iter().map(Bind::argument))
            .args(["--", "/run/qvmrun/init", self.medium])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_of_a_node() {
        let binds = [Bind::read_only("/a:b", "/cdrom"), Bind::writable("/dev/null", "/dev/kmsg")];
        let (root, network) = (Path::new("/m/root"), Path::new("/m/net"));
        let node = Node { name: "master", root, network, binds: &binds, medium: "disk" };
        insta::assert_snapshot!(node.cmd().argv().join("\n"));
    }
}
