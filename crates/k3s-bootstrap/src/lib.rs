//! k3s on prepared machines: configuration, files, units, server, agents, readiness.
//!
//! [`ensure_server`] and [`ensure_agent`] look at a node through [`machine::Exec`], change what is missing, start or
//! restart the service and wait for it; run again, they change nothing. [`Cluster`] speaks to the API with a
//! kubeconfig. Sources: k3s's command line reference and the units its install script writes (v1.33).

mod cluster;
mod config;
mod ensure;
mod files;
mod problem;
mod remove;
mod service;
mod spec;

pub use cluster::{Cluster, NodeStatus, PodTrouble};
pub use config::K3sConfig;
pub use ensure::{Report, ensure_agent, ensure_server, kubeconfig};
pub use files::{agent_files, server_files};
pub use problem::{K3sError, PROBLEMS};
pub use remove::uninstall;
pub use service::{Service, Unit};
pub use spec::{AgentSpec, Artifact, ClusterCaFile, Node, ServerSpec};
