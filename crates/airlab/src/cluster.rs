//! k3s on the nodes: what each of them is told, and its start.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use futures_util::try_join;
use k3s_bootstrap::{Standing, Unit};
use lab::{Lab, Node, RegistryKind, Role};
use machine::{RemoteFile, Ssh};
use registry_mirror::Registries;
use steps::Sink;
use vmware::vmrun::Vmrun;

use crate::images::Payload;
use crate::nodes::{Live, each};
use crate::run::Run;
use crate::secrets::Secrets;
use crate::{Failure, power, upgrade};

/// The authorities of a node's own system, and those that its seed added.
const SYSTEM_CAS: &str = "/etc/ssl/certs/ca-certificates.crt";
/// Where a node keeps the lab's authority for its container runtime.
const CA_FILE: &str = "/etc/rancher/k3s/airlab-ca.crt";

/// Starts k3s on every node where it does not run as it should. Servers come one after the other: a datastore takes in one
/// new member at a time. Agents start meanwhile and wait by themselves. Members with another program of k3s are brought to
/// the wanted one at the end, one by one.
pub(crate) async fn ensure_all(
    run: &Run<'_>,
    vmrun: &Vmrun,
    secrets: &Secrets,
    payload: &Payload,
    live: &[Live],
) -> Result<(), Failure> {
    let cluster = Servers::look(run, secrets, live).await?;
    let plans: Vec<Plan<'_>> = live.iter().map(|node| cluster.plan(run.lab, secrets, payload, node)).collect();
    let program = payload.program_sha256();
    let current = each(plans.iter().map(|plan| async {
        // with no API to watch over it there is nothing to do one by one
        let settled = plan.standing.member && cluster.answers;
        Ok::<_, Failure>(!settled || k3s_bootstrap::runs_program(&plan.live.ssh, &program).await?)
    }))
    .await?;
    let fits: Vec<&Plan<'_>> = plans.iter().zip(&current).filter(|(_, fits)| **fits).map(|(plan, _)| plan).collect();
    let (servers, agents): (Vec<_>, Vec<_>) = fits.into_iter().partition(|p| p.live.node.role == Role::Server);
    let servers = async {
        for plan in servers {
            plan.start(run, vmrun).await?;
        }
        Ok::<_, Failure>(())
    };
    try_join!(servers, each(agents.into_iter().map(|plan| plan.start(run, vmrun))))?;
    let old = plans.into_iter().zip(current).filter(|(_, fits)| !fits).map(|(plan, _)| Old(plan));
    let mut old: Vec<Old<'_>> = old.collect();
    old.sort_by_key(|old| old.0.live.node.role != Role::Server);
    let answering = live.iter().find(|l| cluster.members.first().is_some_and(|(name, _)| *name == l.node.name));
    match answering {
        Some(server) if !old.is_empty() => upgrade::one_by_one(run, server, &old).await,
        _ => Ok(()),
    }
}

/// Notes what was changed on a node.
pub(crate) fn note(run: &Run<'_>, node: &str, report: k3s_bootstrap::Report) {
    for path in report.written {
        run.changed(format!("{node}: {path}"));
    }
    for path in report.fetched {
        run.changed(format!("{node}: {path} fetched"));
    }
    run.changed_if(report.started, format!("{node}: k3s started"));
}

/// A member that runs another k3s than the lab wants.
pub(crate) struct Old<'a>(Plan<'a>);

impl Old<'_> {
    pub(crate) fn live(&self) -> &Live {
        self.0.live
    }

    pub(crate) fn spec(&self) -> &Spec {
        &self.0.spec
    }
}

/// What a node is told.
pub(crate) enum Spec {
    Server(Box<k3s_bootstrap::ServerSpec>),
    Agent(Box<k3s_bootstrap::AgentSpec>),
}

impl Spec {
    async fn ensure(&self, ssh: &Ssh, sink: &dyn Sink) -> Result<k3s_bootstrap::Report, Failure> {
        Ok(match self {
            Self::Server(spec) => k3s_bootstrap::ensure_server(ssh, spec, sink).await?,
            Self::Agent(spec) => k3s_bootstrap::ensure_agent(ssh, spec, sink).await?,
        })
    }

    /// The node, its unit and its files.
    pub(crate) fn parts(&self) -> Result<(&k3s_bootstrap::Node, Unit, Vec<RemoteFile>), Failure> {
        Ok(match self {
            Self::Server(spec) => (&spec.node, Unit::Server, k3s_bootstrap::server_files(spec)?),
            Self::Agent(spec) => (&spec.node, Unit::Agent, k3s_bootstrap::agent_files(spec)?),
        })
    }
}

struct Plan<'a> {
    live: &'a Live,
    standing: Standing,
    spec: Spec,
}

impl Plan<'_> {
    async fn start(&self, run: &Run<'_>, vmrun: &Vmrun) -> Result<(), Failure> {
        let node = &self.live.node;
        let step = if node.role == Role::Server { "server" } else { "agents" };
        let work = async {
            note(run, &node.name, self.spec.ensure(&self.live.ssh, run.sink).await?);
            Ok(())
        };
        run.step(&format!("{step}/{}", node.name), power::while_on(run, vmrun, &[node], power::LOOK, work)).await
    }
}

/// The servers as they were found.
struct Servers {
    standings: BTreeMap<String, Standing>,
    /// Addresses of members: those whose API answers in front.
    members: Vec<(String, String)>,
    /// Whether any does.
    answers: bool,
}

impl Servers {
    async fn look(run: &Run<'_>, secrets: &Secrets, live: &[Live]) -> Result<Self, Failure> {
        let standings =
            each(live.iter().map(|node| async move {
                Ok::<_, Failure>((node.node.name.clone(), Standing::look(&node.ssh).await?))
            }));
        let standings: BTreeMap<String, Standing> = standings.await?.into_iter().collect();
        let members = run.lab.servers().filter(|n| standings.get(&n.name).is_some_and(|s| s.member));
        let members: Vec<(String, String)> = members.map(|n| (n.name.clone(), n.api())).collect();
        let client = crate::registry::client(Some(secrets.cluster.server_ca()));
        let client = &client;
        let answers = join_all(members.iter().map(|(_, api)| async move {
            let Ok(client) = client else { return false };
            client.get(format!("{api}/cacerts")).send().await.is_ok_and(|a| a.status().is_success())
        }))
        .await;
        let (up, down): (Vec<_>, Vec<_>) = members.into_iter().zip(answers).partition(|(_, up)| *up);
        let answers = !up.is_empty();
        let members = up.into_iter().chain(down).map(|(member, _)| member).collect();
        Ok(Self { standings, members, answers })
    }

    fn plan<'a>(&self, lab: &Lab, secrets: &Secrets, payload: &Payload, live: &'a Live) -> Plan<'a> {
        let node = &live.node;
        let standing = self.standings.get(&node.name).cloned().unwrap_or_default();
        let others = self.members.iter().filter(|(name, _)| *name != node.name).map(|(_, api)| api.clone());
        let first = lab.first_server();
        let usual = (node.name != first.name).then(|| first.api());
        let server = standing.server(usual.as_deref(), &others.collect::<Vec<_>>());
        let common = common(lab, secrets, payload, node);
        let spec = match node.role {
            Role::Server => Spec::Server(Box::new(server_spec(lab, secrets, common, server))),
            Role::Agent => {
                let server = server.unwrap_or_else(|| first.api());
                let token = secrets.tokens.agent.full().clone();
                Spec::Agent(Box::new(k3s_bootstrap::AgentSpec::new(common, server, token)))
            }
        };
        Plan { live, standing, spec }
    }
}

fn server_spec(
    lab: &Lab,
    secrets: &Secrets,
    common: k3s_bootstrap::Node,
    join: Option<String>,
) -> k3s_bootstrap::ServerSpec {
    let (name, ip) = (common.name.clone(), common.ip);
    let (server, agent) = (secrets.tokens.server.full().clone(), secrets.tokens.agent.full().clone());
    let mut spec = k3s_bootstrap::ServerSpec::new(common, server, agent);
    spec.tls_sans = vec![ip.to_string(), name, "127.0.0.1".into(), "localhost".into()];
    let files = secrets.cluster.files().into_iter();
    spec.cluster_ca = files.map(|f| k3s_bootstrap::ClusterCaFile { path: f.path, content: f.content }).collect();
    spec.join = join;
    spec.disable = lab.k3s.disable.clone();
    spec.snapshots = k3s_bootstrap::SnapshotPolicy {
        schedule: lab.k3s.snapshot_schedule.clone(),
        retention: lab.k3s.snapshot_retention,
    };
    spec
}

fn common(lab: &Lab, secrets: &Secrets, payload: &Payload, node: &Node) -> k3s_bootstrap::Node {
    let mut common = k3s_bootstrap::Node::new(&node.name, node.address);
    common.resolver = lab.network.cidr.host();
    common.labels = node.labels.clone();
    common.taints = node.taints.clone();
    common.registries = registries(lab, payload).render().into();
    common.files = vec![RemoteFile { path: CA_FILE.into(), bytes: secrets.trusted.concat().into(), mode: 0o644 }];
    common.artifacts = payload.artifacts(lab);
    common.login = payload.nodes_login();
    common.password = secrets.node_passwords.get(&node.name).cloned();
    common
}

fn registries(lab: &Lab, payload: &Payload) -> Registries {
    Registries {
        endpoint: lab.registry_address(),
        ca_file: match lab.registry.kind {
            RegistryKind::External { ca: None, .. } => SYSTEM_CAS,
            _ => CA_FILE,
        }
        .into(),
        login: payload.login.clone(),
        mirrored: Registries::USUAL.map(str::to_owned).to_vec(),
    }
}
