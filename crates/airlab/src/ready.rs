//! What the commands answer: the same values as text and as JSON.

use std::fmt;
use std::path::PathBuf;

use k3s_bootstrap::Condition;
use serde::Serialize;
use timesync::Comparison;

use crate::ClockOwner;

/// How a provision ended well.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Provisioned {
    /// Everything runs.
    Ready(Box<Ready>),
    /// It was asked to end after a step.
    Until(Partial),
}

/// The end of a provision that was asked to go only so far.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Partial {
    /// The lab's name.
    pub lab: String,
    /// The last step that was done, one of [`crate::STEPS`].
    pub until: String,
    /// How many things this run changed.
    pub changed: usize,
    /// What they were, in order.
    pub changes: Vec<String>,
    /// Wall time of the run, in seconds.
    pub seconds: u64,
}

/// The end of a provision: everything runs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Ready {
    /// The lab's name.
    pub lab: String,
    /// How many things this run changed; 0 when everything was as wanted.
    pub changed: usize,
    /// What they were, in order.
    pub changes: Vec<String>,
    /// The cluster's nodes as its API shows them.
    pub nodes: Vec<ReadyNode>,
    /// What the cluster showed.
    pub conditions: Vec<Condition>,
    /// The lab's own kubeconfig; it is also merged into the user's.
    pub kubeconfig: PathBuf,
    /// The lock's or bundle's kubectl, where it has one for this system.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kubectl: Option<PathBuf>,
    /// The context's name in it.
    pub context: String,
    /// Address of the lab's registry inside its network.
    pub registry: String,
    /// The API's address as this host reaches it.
    pub api: String,
    /// KubeSphere's console, where the lab has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub console: Option<ConsoleAt>,
    /// Whose clock the nodes have.
    pub clock: ClockOwner,
    /// What this run proves, by the provider's own words.
    pub evidence: String,
    /// Parts that stood in for the real ones.
    pub stand_ins: Vec<String>,
    /// Wall time of the run, in seconds.
    pub seconds: u64,
}

/// Where KubeSphere's console is, and how to get in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ConsoleAt {
    /// Its address as this host reaches it.
    pub url: String,
    /// The administrator's name.
    pub user: String,
    /// The file whose first line is the first password, 0600.
    pub password_in: PathBuf,
}

/// A node of the cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ReadyNode {
    /// Its name.
    pub name: String,
    /// `server` or `agent`.
    pub role: String,
    /// Its address.
    pub address: String,
    /// Whether the cluster calls it Ready.
    pub ready: bool,
    /// The kubelet's version.
    pub version: String,
    /// The memory the kubelet reports, in MiB.
    pub memory_mib: u64,
    /// The operating system the kubelet reports.
    pub os: String,
}

/// How a lab is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Status {
    /// The lab's name.
    pub lab: String,
    /// Whether nothing needs a person.
    pub healthy: bool,
    /// Every node of the lab file.
    pub nodes: Vec<NodeStatus>,
    /// What a Ready cluster shows, each with why it does not.
    pub conditions: Vec<Condition>,
    /// The golden machines that nodes are clones of, in words; none where every node was installed by itself.
    pub golden: Vec<String>,
    /// The registry.
    pub registry: RegistryStatus,
    /// The clocks of every node and of this host.
    pub clocks: Comparison,
    /// What is wrong, each with its id.
    pub findings: Vec<Finding>,
}

/// How a node is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NodeStatus {
    /// Its name.
    pub name: String,
    /// `server` or `agent`.
    pub role: String,
    /// Its address.
    pub address: String,
    /// What it is.
    pub state: NodeState,
    /// Why it is not Ready; empty when it is.
    pub why: String,
}

/// What a node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum NodeState {
    /// The cluster calls it Ready.
    Ready,
    /// The cluster calls it anything else.
    NotReady,
    /// Its machine is off.
    Off,
    /// Its machine runs, but neither it nor the cluster can be asked.
    Unreachable,
}

impl fmt::Display for NodeState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// How the registry is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RegistryStatus {
    /// Its address.
    pub address: String,
    /// Whether it answers with our certificate.
    pub ok: bool,
    /// Why it does not; empty when it does.
    pub why: String,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Stable id.
    pub id: &'static str,
    /// What, in words.
    pub what: String,
}

/// The end of a destroy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Destroyed {
    /// What is gone.
    pub removed: Vec<String>,
    /// What stays on purpose: caches that the next lab uses.
    pub kept: Vec<String>,
}
