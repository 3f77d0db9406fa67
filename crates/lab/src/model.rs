//! A lab as values.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::PathBuf;

use serde::Serialize;

use crate::{Cidr, SshHost};

/// A whole, valid lab.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Lab {
    /// Its name: the folder under `.airlab`, the kubeconfig's context. Lower-case letters, digits, hyphens.
    pub name: String,
    /// Where the nodes live.
    pub network: Network,
    /// How nodes are made.
    pub vm: Vm,
    /// The lab's own registry.
    pub registry: Registry,
    /// Where files come from.
    pub artifacts: Artifacts,
    /// Which images the lab needs.
    pub images: Images,
    /// What is installed.
    pub versions: Versions,
    /// How k3s is set up.
    pub k3s: K3s,
    /// The nodes, in the order of the file; at least one server.
    pub nodes: Vec<Node>,
    /// The kubeconfig to merge into; the user's own where absent.
    pub kubeconfig: Option<PathBuf>,
    /// KubeSphere; none where the lab has no chart for it, or says no.
    pub kubesphere: Option<KubeSphere>,
}

/// What is installed of KubeSphere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KubeSphere {
    /// The packed `ks-core` chart.
    pub chart: PathBuf,
    /// `core`, `monitoring`, `logging` or `full`.
    pub profile: String,
    /// Tag of the extension repository's image, where not the chart's own.
    pub museum: Option<String>,
}

impl Lab {
    /// The server that starts the cluster: the first node with the role `server`.
    pub fn first_server(&self) -> &Node {
        self.nodes.iter().find(|n| n.role == Role::Server).unwrap_or(&self.nodes[0])
    }

    /// All servers, in the order of the file.
    pub fn servers(&self) -> impl Iterator<Item = &Node> {
        self.nodes.iter().filter(|n| n.role == Role::Server)
    }

    /// The nodes whose machines airlab makes.
    pub fn machines(&self) -> impl Iterator<Item = &Node> {
        self.nodes.iter().filter(|n| n.host.is_none())
    }

    /// The nodes that are existing hosts.
    pub fn hosts(&self) -> impl Iterator<Item = &Node> {
        self.nodes.iter().filter(|n| n.host.is_some())
    }

    /// The node of this name.
    pub fn node(&self, name: &str) -> Option<&Node> {
        self.nodes.iter().find(|n| n.name == name)
    }

    /// Host and port of the lab's registry, `192.168.6.1:5000`, as nodes reach it.
    pub fn registry_address(&self) -> String {
        if let RegistryKind::External { address, .. } = &self.registry.kind {
            return address.clone();
        }
        format!("{}:{}", self.network.cidr.host(), self.registry.port)
    }
}

/// The host-only network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Network {
    /// Its addresses; the host has the first one.
    pub cidr: Cidr,
    /// Where its host end is.
    pub mode: Mode,
}

/// Where the host's end of the network is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// In a network namespace of its own; the host reaches it through loopback forwards.
    Namespace,
    /// A bridge on the host itself.
    Bridge,
    /// VMware's own VMnet1 adapter.
    Vmnet,
}

/// What answers to vmrun's language.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Provider {
    /// VMware Workstation.
    Vmware,
    /// airlab's own front end for hosts without VMware.
    Qvmrun,
}

/// How nodes are made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Vm {
    /// What answers to vmrun's language.
    pub provider: Provider,
    /// The program, where it is not found by itself.
    pub program: Option<PathBuf>,
    /// Where machine folders go; inside the lab's folder where absent. Kept as written: it may be a Windows path.
    pub folder: Option<String>,
    /// Size of each node's disk in GiB.
    pub disk_gib: u64,
    /// Kind of disk file.
    pub disk_format: DiskFormat,
    /// Firmware of the machines.
    pub firmware: Firmware,
    /// How a node comes to its system.
    pub create: Create,
    /// VMware virtual hardware version.
    pub hardware: u32,
    /// How many vmrun calls may run at once, over all machines; a single machine has one call at a time.
    pub parallel: usize,
    /// Further keys for every node's .vmx, none of those airlab writes itself.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub vmx: BTreeMap<String, String>,
}

/// Kind of disk file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum DiskFormat {
    /// One growing file (monolithicSparse).
    Sparse,
    /// Descriptor and raw extent (monolithicFlat); the extent is a sparse file.
    Flat,
}

/// Firmware of a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Firmware {
    /// PC BIOS.
    Bios,
    /// UEFI.
    Efi,
}

/// How a node comes to its system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Create {
    /// Every node runs the unattended installer.
    Install,
    /// One machine is installed; every node is a linked clone of it with an identity of its own.
    Clone,
}

/// The lab's registry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Registry {
    /// TCP port, on the host's address of the network.
    pub port: u16,
    /// What serves.
    #[serde(flatten)]
    pub kind: RegistryKind,
}

/// What serves the lab's images.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum RegistryKind {
    /// airlab's own program.
    Embedded {
        /// Where it runs.
        host: RegistryHost,
    },
    /// Docker's `registry:2`, with the lab's store and certificate.
    Docker {
        /// Where Docker is.
        host: RegistryHost,
    },
    /// One that is there already; airlab brings images into it and changes nothing else of it.
    External {
        /// `host` or `host:port`.
        address: String,
        /// CA that signed its certificate, PEM; the system's where absent.
        ca: Option<PathBuf>,
        /// Logins, as docker keeps them, for bringing images.
        credentials: Option<PathBuf>,
    },
}

/// Where the registry's programs run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RegistryHost {
    /// On the desktop itself.
    Desktop,
    /// In its Windows Subsystem for Linux.
    Wsl,
}

/// Where files come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "source", rename_all = "lowercase")]
pub enum Artifacts {
    /// airlab builds stand-ins offline and says so.
    Demo,
    /// A bundle that holds everything.
    Bundle {
        /// Its manifest, or the folder with it.
        bundle: PathBuf,
        /// The public key that must vouch for it.
        trust: PathBuf,
    },
    /// Files a person has put in place.
    Files {
        /// Ubuntu's live-server installer.
        iso: PathBuf,
        /// What it must hash to.
        iso_sha256: Option<String>,
        /// The k3s program.
        k3s: PathBuf,
        /// What it must hash to.
        k3s_sha256: Option<String>,
        /// k3s's air-gap images, .tar, .tar.gz or .tar.zst.
        airgap: PathBuf,
        /// What they must hash to.
        airgap_sha256: Option<String>,
        /// Folder of image archives for the registry.
        images: Option<PathBuf>,
        /// The lock file that pins them; where absent, `airlab.lock` beside the lab file, if it is there.
        lock: Option<PathBuf>,
    },
}

/// Which images the lab needs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Images {
    /// `core`, `full`, or a file: every image of it must be at hand. Without one, what is at hand is taken.
    pub profile: Option<String>,
}

/// What is installed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Versions {
    /// Ubuntu release.
    pub ubuntu: String,
    /// k3s release.
    pub k3s: String,
}

/// How k3s is set up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct K3s {
    /// Packaged components to leave out.
    pub disable: Vec<String>,
    /// When the datastore is saved: five fields of cron.
    pub snapshot_schedule: String,
    /// How many of these snapshots each server keeps.
    pub snapshot_retention: u32,
}

impl K3s {
    /// The packaged components that can be left out.
    pub const COMPONENTS: [&str; 5] = ["coredns", "local-storage", "metrics-server", "servicelb", "traefik"];
}

/// What a node is in the cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Runs the control plane, and workloads too.
    Server,
    /// Runs workloads.
    Agent,
}

/// One node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Node {
    /// Host name and Kubernetes node name.
    pub name: String,
    /// Server or agent.
    pub role: Role,
    /// Its static address, its identity for everything airlab does.
    pub address: Ipv4Addr,
    /// Virtual processors.
    pub cpus: u32,
    /// Memory in MiB, a multiple of 4.
    pub memory_mib: u32,
    /// MAC address inside VMware's static range, 00:50:56:00:00:00 to 00:50:56:3f:ff:ff.
    pub mac: String,
    /// Kubernetes labels, `key=value`.
    pub labels: Vec<String>,
    /// Kubernetes taints, `key=value:Effect`.
    pub taints: Vec<String>,
    /// How it is reached, where it is an existing host. Processors, memory and MAC address mean nothing then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<SshHost>,
}

impl Node {
    /// TCP port of its SSH server.
    pub fn ssh_port(&self) -> u16 {
        self.host.as_ref().map_or(22, |host| host.port)
    }

    /// Where its API is, if it is a server: `https://192.168.6.10:6443`.
    pub fn api(&self) -> String {
        format!("https://{}:6443", self.address)
    }

    /// The MAC address a node has when the file names none: third and last octet of its address in VMware's range.
    pub(crate) fn mac_for(address: Ipv4Addr) -> String {
        let [_, _, third, last] = address.octets();
        format!("00:50:56:{:02x}:00:{last:02x}", third & 0x3f)
    }
}
