//! What can go wrong between a prepared machine and a Ready node.

use machine::ExecError;
use steps::{Problem, TimedOut, chain};

/// The id of every problem this crate can report, but for those of `machine` and `steps` that it passes on.
pub const PROBLEMS: &[&str] = &[
    "AL-K3S-001",
    "AL-K3S-002",
    "AL-K3S-003",
    "AL-K3S-004",
    "AL-K3S-005",
    "AL-K3S-006",
    "AL-K3S-007",
    "AL-K3S-008",
    "AL-K3S-009",
    "AL-K3S-010",
    "AL-K3S-011",
    "AL-K3S-012",
    "AL-K3S-013",
    "AL-K3S-014",
];

/// An operation on a node or the cluster failed.
#[derive(Debug, thiserror::Error)]
pub enum K3sError {
    /// A command on the node did not run or failed.
    #[error(transparent)]
    Exec(#[from] ExecError),
    /// Something did not become true in time.
    #[error(transparent)]
    TimedOut(#[from] TimedOut),
    /// The node could not get a file it needs.
    #[error("{node}: a file could not be fetched: {last}")]
    Fetch {
        /// The node.
        node: String,
        /// The last line of what the node said.
        last: String,
    },
    /// The service fails again and again.
    #[error("{node}: {unit} does not stay up: {last}")]
    ServiceFailed {
        /// The node.
        node: String,
        /// `k3s.service` or `k3s-agent.service`.
        unit: String,
        /// Last line of its journal.
        last: String,
    },
    /// A document could not be written as YAML.
    #[error("{node}: configuration cannot be written as YAML")]
    Yaml {
        /// The node.
        node: String,
        /// Why.
        #[source]
        source: serde_saphyr::SerializeError,
    },
    /// A kubeconfig does not lead to a usable client.
    #[error("the kubeconfig cannot be used")]
    Kubeconfig {
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The API did not answer as it should.
    #[error("the Kubernetes API at {url}: {doing}")]
    Api {
        /// Where.
        url: String,
        /// What was asked of it.
        doing: &'static str,
        /// What happened.
        #[source]
        source: Box<kube::Error>,
    },
    /// The node has no default route: k3s would not start.
    #[error("{node}: no default route")]
    NoRoute {
        /// The node.
        node: String,
    },
    /// The resolver for pods is one that only this node itself can reach.
    #[error("{node}: {address} cannot be a resolver for pods")]
    Resolver {
        /// The node.
        node: String,
        /// What was to be its resolver.
        address: String,
    },
    /// A server may not leave: the datastore would lose its majority.
    #[error("{node} may not leave: {up} of {servers} servers are up")]
    Quorum {
        /// The server.
        node: String,
        /// How many servers there are when its turn comes.
        servers: usize,
        /// How many of them are up.
        up: usize,
    },
    /// Pods on the node would not come back elsewhere.
    #[error("{node}: nothing would bring {pods} back")]
    Unmanaged {
        /// The node.
        node: String,
        /// `namespace/pod`, with commas.
        pods: String,
    },
    /// A snapshot was not saved, or not read back.
    #[error("{node}: snapshot: {last}")]
    Snapshot {
        /// The server.
        node: String,
        /// The last line of what k3s said.
        last: String,
    },
    /// There is no such snapshot.
    #[error("no snapshot {name}")]
    NoSnapshot {
        /// What was asked for.
        name: String,
        /// Those there are.
        known: String,
    },
    /// New certificates were not made.
    #[error("{node}: certificates: {last}")]
    Certificates {
        /// The node.
        node: String,
        /// The last line of what k3s said.
        last: String,
    },
    /// A node was not healthy with another k3s and has its old one again.
    #[error("{node}: not upgraded; it runs {version} again")]
    Reverted {
        /// The node.
        node: String,
        /// The version of its kubelet, as before.
        version: String,
        /// What was not healthy.
        #[source]
        why: Box<K3sError>,
    },
    /// A node was healthy neither with another k3s nor with its old one.
    #[error("{node}: not upgraded, and its old k3s does not come back: {again}")]
    NotReverted {
        /// The node.
        node: String,
        /// What keeps the old one from coming back.
        again: String,
        /// What was not healthy with the new one.
        #[source]
        why: Box<K3sError>,
    },
}

impl Problem for K3sError {
    fn id(&self) -> &'static str {
        match self {
            Self::Exec(e) => e.id(),
            Self::TimedOut(e) => e.id(),
            Self::Fetch { .. } => "AL-K3S-001",
            Self::ServiceFailed { .. } => "AL-K3S-002",
            Self::Yaml { .. } => "AL-K3S-003",
            Self::Kubeconfig { .. } => "AL-K3S-004",
            Self::Api { .. } => "AL-K3S-005",
            Self::NoRoute { .. } => "AL-K3S-006",
            Self::Resolver { .. } => "AL-K3S-007",
            Self::Quorum { .. } => "AL-K3S-008",
            Self::Unmanaged { .. } => "AL-K3S-009",
            Self::Snapshot { .. } => "AL-K3S-010",
            Self::NoSnapshot { .. } => "AL-K3S-011",
            Self::Certificates { .. } => "AL-K3S-012",
            Self::Reverted { .. } => "AL-K3S-013",
            Self::NotReverted { .. } => "AL-K3S-014",
        }
    }

    fn args(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::Exec(e) => e.args(),
            Self::TimedOut(e) => e.args(),
            Self::Fetch { node, last } => vec![("node", node.clone()), ("last", last.clone())],
            Self::ServiceFailed { node, unit, last } => {
                vec![("node", node.clone()), ("unit", unit.clone()), ("last", last.clone())]
            }
            Self::Yaml { node, .. } | Self::NoRoute { node } => vec![("node", node.clone())],
            Self::Resolver { node, address } => vec![("node", node.clone()), ("address", address.clone())],
            Self::Quorum { node, servers, up } => {
                vec![("node", node.clone()), ("servers", servers.to_string()), ("up", up.to_string())]
            }
            Self::Unmanaged { node, pods } => vec![("node", node.clone()), ("pods", pods.clone())],
            Self::Snapshot { node, last } | Self::Certificates { node, last } => {
                vec![("node", node.clone()), ("last", last.clone())]
            }
            Self::NoSnapshot { name, known } => vec![("name", name.clone()), ("known", known.clone())],
            Self::Reverted { node, version, why } => {
                vec![("node", node.clone()), ("version", version.clone()), ("reason", chain(why.as_ref()))]
            }
            Self::NotReverted { node, again, why } => {
                vec![("node", node.clone()), ("again", again.clone()), ("reason", chain(why.as_ref()))]
            }
            Self::Kubeconfig { source } => vec![("reason", chain(source.as_ref()))],
            Self::Api { url, doing, source } => {
                vec![("url", url.clone()), ("doing", (*doing).to_owned()), ("reason", chain(source))]
            }
        }
    }
}
