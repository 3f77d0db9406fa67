//! k3s on prepared machines: configuration, files, units, server, agents, readiness.
//!
//! [`ensure_server`] and [`ensure_agent`] look at a node through [`machine::Exec`], change what is missing, start or
//! restart the service and wait for it; run again, they change nothing. [`Cluster`] speaks to the API with a
//! kubeconfig. Sources: k3s's command line reference and the units its install script writes (v1.33).

mod certificates;
mod cluster;
mod config;
mod drain;
mod ensure;
mod fetch;
mod files;
mod preflight;
mod probe;
mod problem;
mod quorum;
mod ready;
mod remove;
mod restore;
mod revert;
mod service;
mod snapshot;
mod spec;
mod standing;
mod upgrade;
mod workloads;

pub use certificates::{Certificate, certificates, rotate_certificates};
pub use cluster::{Cluster, NodeStatus, PodTrouble};
pub use config::K3sConfig;
pub use drain::{Drain, Drained};
pub use ensure::{Report, ensure_agent, ensure_server, kubeconfig};
pub use fetch::fetch;
pub use files::{agent_files, server_files};
pub use preflight::preflight;
pub use problem::{K3sError, PROBLEMS};
pub use quorum::{Member, may_leave};
pub use ready::{Condition, Expected, Shown};
pub use remove::{Removal, Removed, remove_node, uninstall};
pub use restore::{RestoreFrom, restore};
pub use service::{Service, Unit, switch_off, switch_on};
pub use snapshot::{Snapshot, save_snapshot, snapshots};
pub use spec::{AgentSpec, Artifact, ClusterCaFile, Login, Node, ServerSpec, SnapshotPolicy};
pub use standing::Standing;
pub use upgrade::{Upgrade, Upgraded, runs_program, upgrade_node};
