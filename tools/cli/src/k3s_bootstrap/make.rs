//! A machine becomes a server or an agent.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use k3s_bootstrap::{AgentSpec, Node, Report, ServerSpec, ensure_agent, ensure_server};
use machine::RemoteFile;
use secrecy::SecretString;
use steps::Sink;

use crate::node::NodeArgs;
use crate::{Ended, Failure, Ui, exit};

/// What both have in common.
#[derive(Debug, clap::Args)]
struct Common {
    #[command(flatten)]
    machine: NodeArgs,
    /// Name in the cluster
    #[arg(long)]
    name: String,
    /// Its address in the cluster's network
    #[arg(long)]
    ip: Ipv4Addr,
    /// The k3s program
    #[arg(long, value_name = "FILE")]
    k3s: PathBuf,
    /// Its air-gap images
    #[arg(long, value_name = "FILE")]
    airgap: Option<PathBuf>,
    /// File with the join token: a server's for a server, an agent's for an agent
    #[arg(long, value_name = "FILE")]
    token_file: PathBuf,
    /// File with the container runtime's registries, registries.yaml
    #[arg(long, value_name = "FILE")]
    registries: Option<PathBuf>,
    /// Resolver for pods, an address that other machines reach; .1 of its /24 where absent
    #[arg(long)]
    resolver: Option<Ipv4Addr>,
    /// Kubernetes label, key=value; may be repeated
    #[arg(long)]
    label: Vec<String>,
    /// Kubernetes taint, key=value:Effect; may be repeated
    #[arg(long)]
    taint: Vec<String>,
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(path).map_err(|e| Failure::system(format!("reading {}", path.display()), e))
}

fn token(path: &Path) -> Result<SecretString, Failure> {
    Ok(String::from_utf8_lossy(&read(path)?).trim().to_owned().into())
}

/// The program and its images as files of a node. The archive keeps its name with its digest in it: k3s skips a changed
/// file of equal size.
pub(super) fn programs(k3s: &Path, airgap: Option<&Path>) -> Result<Vec<RemoteFile>, Failure> {
    let mut files = vec![RemoteFile { path: "/usr/local/bin/k3s".into(), bytes: read(k3s)?, mode: 0o755 }];
    if let Some(airgap) = airgap {
        let bytes = read(airgap)?;
        let name = airgap.file_name().unwrap_or_default().to_string_lossy();
        let digest: String = machine::sha256(&bytes).chars().take(12).collect();
        files.push(RemoteFile {
            path: format!("/var/lib/rancher/k3s/agent/images/{digest}-{name}"),
            bytes,
            mode: 0o644,
        });
    }
    Ok(files)
}

impl Common {
    fn node(&self) -> Result<Node, Failure> {
        let mut node = Node::new(&self.name, self.ip);
        node.files = programs(&self.k3s, self.airgap.as_deref())?;
        if let Some(path) = &self.registries {
            node.registries = String::from_utf8_lossy(&read(path)?).into_owned().into();
        }
        node.resolver = self.resolver.unwrap_or(node.resolver);
        (node.labels, node.taints) = (self.label.clone(), self.taint.clone());
        Ok(node)
    }
}

#[derive(Debug, clap::Args)]
pub(super) struct Server {
    #[command(flatten)]
    common: Common,
    /// File with the agents' own token
    #[arg(long, value_name = "FILE")]
    agent_token_file: PathBuf,
    /// A server of the cluster to join; without it this server begins one
    #[arg(long, value_name = "https://ADDRESS:6443")]
    join: Option<String>,
    /// Another name or address in the API's certificate; may be repeated
    #[arg(long)]
    tls_san: Vec<String>,
    /// A packaged component to leave out; may be repeated
    #[arg(long, value_name = "NAME")]
    disable: Vec<String>,
}

impl Server {
    pub(super) async fn run(self, ui: &Ui) -> Ended {
        let (server, agent) = (token(&self.common.token_file)?, token(&self.agent_token_file)?);
        let mut spec = ServerSpec::new(self.common.node()?, server, agent);
        (spec.join, spec.tls_sans, spec.disable) = (self.join, self.tls_san, self.disable);
        let ssh = self.common.machine.connect().await?;
        told(ui, &self.common.name, &ensure_server(&ssh, &spec, ui as &dyn Sink).await?)
    }
}

#[derive(Debug, clap::Args)]
pub(super) struct Agent {
    #[command(flatten)]
    common: Common,
    /// A server of the cluster
    #[arg(long, value_name = "https://ADDRESS:6443")]
    server: String,
}

impl Agent {
    pub(super) async fn run(self, ui: &Ui) -> Ended {
        let spec = AgentSpec::new(self.common.node()?, self.server, token(&self.common.token_file)?);
        let ssh = self.common.machine.connect().await?;
        told(ui, &self.common.name, &ensure_agent(&ssh, &spec, ui as &dyn Sink).await?)
    }
}

fn told(ui: &Ui, name: &str, report: &Report) -> Ended {
    let answer = serde_json::json!({
        "node": name, "changed": report.changed, "written": report.written, "started": report.started,
    });
    ui.result(&answer, |_| format!("{name}: {} things changed\n", report.changed))?;
    Ok(exit::OK)
}
