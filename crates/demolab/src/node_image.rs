//! The node image: the root tree of a Debian node, its kernel, and the base of the installer's initrd.

use std::fs;
use std::path::{Path, PathBuf};

use steps::Sink;

use crate::script::Script;
use crate::{Result, apt, cache};

const NAME: &str = "node-image";
const SCRIPT: &str = include_str!("../scripts/node-image.sh");
const PREPARE: &str = include_str!("../scripts/node-prepare.sh");

/// What a node is made of, beyond Debian's essential packages.
const PACKAGES: &[&str] = &[
    // a machine that boots, is installed unattended and answers SSH
    "linux-image-amd64",
    "busybox-static",
    "systemd",
    "systemd-sysv",
    "systemd-resolved",
    "udev",
    "dbus",
    "kmod",
    "cloud-init",
    "netplan.io",
    "openssh-server",
    "ca-certificates",
    "sudo",
    "e2fsprogs",
    "fdisk",
    "qemu-guest-agent",
    // what Kubernetes calls
    "containerd",
    "runc",
    "containernetworking-plugins",
    "etcd-server",
    "etcd-client",
    "iptables",
    "conntrack",
    "socat",
    "ethtool",
    // what people call
    "curl",
    "htop",
    "iproute2",
    "iputils-ping",
    "jq",
    "less",
    "lsof",
    "netcat-openbsd",
    "procps",
    "util-linux-extra",
    "vim-tiny",
];

/// The built node image.
#[derive(Debug, Clone)]
pub struct NodeImage {
    /// The root tree, a tar with extended attributes.
    pub rootfs: PathBuf,
    /// The kernel of that tree.
    pub kernel: PathBuf,
    /// Busybox, mke2fs and drivers: what the installer's initrd starts from, a tar.
    pub installer_base: PathBuf,
    /// Debian's signed `bootx64.efi` (shim) and `grubx64.efi` (GRUB for CDs).
    pub efi: PathBuf,
    /// The hash of everything it was made of; part of the hash of what is made of it.
    pub(crate) hash: String,
}

impl NodeImage {
    /// The names in the root tree, `usr/bin/jq`, in the archive's order.
    pub fn files(&self) -> Result<Vec<String>> {
        let fail = |e| crate::Error::cache(&self.rootfs)(e);
        let mut archive = tar::Archive::new(fs::File::open(&self.rootfs).map_err(fail)?);
        let names = archive.entries_with_seek().map_err(fail)?.map(|entry| {
            let name = String::from_utf8_lossy(&entry?.path_bytes()).into_owned();
            Ok(name.trim_start_matches("./").trim_end_matches('/').to_owned())
        });
        names.collect::<std::io::Result<_>>().map_err(fail)
    }
}

/// The node image, from the cache or built by mmdebstrap.
pub fn node_image(cache: &Path, sink: &dyn Sink) -> Result<NodeImage> {
    let packages = PACKAGES.join(",");
    let hash = cache::hash([SCRIPT, PREPARE, apt::SUITE, &packages]);
    let dir = cache::part(cache, NAME, &hash, sink, |dir| {
        let sources = dir.join("sources.list");
        fs::write(&sources, apt::list("deb", &apt::sources()?)).map_err(crate::Error::cache(&sources))?;
        let prepare = dir.join("prepare.sh");
        fs::write(&prepare, PREPARE).map_err(crate::Error::cache(&prepare))?;
        Script::new(NAME, "build", SCRIPT, dir)
            .env("OUT", dir)
            .env("SOURCES", sources)
            .env("SUITE", apt::SUITE)
            .env("PACKAGES", packages)
            .env("PREPARE", prepare)
            .run(sink)
    })?;
    Ok(NodeImage {
        rootfs: dir.join("rootfs.tar"),
        kernel: dir.join("vmlinuz"),
        installer_base: dir.join("installer-base.tar"),
        efi: dir.join("efi"),
        hash,
    })
}
