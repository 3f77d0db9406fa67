//! How a lab is: every node of the lab file, the registry, the clocks; nothing is changed.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::join_all;
use k3s_bootstrap::Cluster;
use lab::{Node, Role};
use machine::{Cmd, Exec, Ssh, SshError};
use steps::innermost;
use vmware::vmrun::Vmrun;

use crate::ready::{Finding, NodeState, NodeStatus, RegistryStatus, Status};
use crate::registry::Registry;
use crate::secrets::Secrets;
use crate::{Context, Facts, Failure, clocks, conditions, golden, kubeconfig, kubesphere, machines};

/// Looks at a lab from inside its network. Unless it is to be `quick`, short-lived pods run on every node for the
/// conditions that need them.
pub async fn status(context: &Context, facts: &Facts, quick: bool) -> Result<Status, Failure> {
    let (lab, files) = (&context.lab, &context.files);
    let secrets = Secrets::load(lab, files)?;
    let registry = Registry::new(lab, files, secrets.authority.cert_pem(), &context.beside);
    let api = async {
        let text = kubeconfig::inside(context)?;
        let cluster = Cluster::new(&text).await.map_err(Failure::from)?;
        let expected = if quick { conditions::by_api(lab) } else { conditions::expected(lab, files) };
        let conditions = cluster.conditions(&expected).await;
        let cluster = cluster.answering(&expected).await.unwrap_or(cluster);
        let seen = tokio::try_join!(cluster.nodes(), cluster.troubles()).map_err(Failure::from);
        Ok::<_, Failure>((conditions, seen))
    };
    let vmrun = context.provider.vmrun();
    let power = join_all(lab.nodes.iter().map(|n| {
        let vmx = files.vmx(&n.name);
        let vmrun = vmrun.clone();
        // an existing host is on as long as it answers
        async move { if n.host.is_some() { Ok(true) } else { vmrun.is_running(&vmx).await } }
    }));
    let logins = join_all(lab.nodes.iter().map(|n| {
        let target = secrets.ssh(n);
        async move { Ssh::connect(&target, Duration::from_secs(5)).await }
    }));
    let kubesphere = kubesphere::findings(context);
    let looked = async { join_all(lab.nodes.iter().zip(logins.await).map(|(node, login)| look(node, login))).await };
    let (registry_answer, host, api, power, looked, kubesphere) =
        tokio::join!(registry.answers(), registry.host_offset(), api, power, looked, kubesphere);

    let mut findings = Vec::new();
    let registry = RegistryStatus {
        address: lab.registry_address(),
        ok: registry_answer.is_ok(),
        why: registry_answer.err().unwrap_or_default(),
    };
    if !registry.ok {
        let what =
            format!("the registry {} does not answer: {}; new images cannot be pulled", registry.address, registry.why);
        findings.push(Finding { id: "AL-STA-002", what });
    }
    let (conditions, api) = api.unwrap_or_else(|failure| (Vec::new(), Err(failure)));
    let (seen, troubles) = match api {
        Ok(pair) => pair,
        Err(failure) => {
            let why = innermost(failure.problem());
            let what = if files.kubeconfig().exists() {
                format!("the API does not answer: {why}")
            } else {
                "no kubeconfig yet: no provision got that far".to_owned()
            };
            findings.push(Finding { id: "AL-STA-003", what });
            (Vec::new(), Vec::new())
        }
    };
    // Nodes that are not Ready are told of one by one, and pods that do not run too.
    for broken in conditions.iter().filter(|c| c.is_broken() && c.name != "nodes") {
        findings.push(Finding { id: "AL-STA-007", what: format!("not shown: {}: {}", broken.what, broken.detail) });
    }
    let mut nodes = Vec::new();
    let (mut clocks, mut silent) = (Vec::new(), Vec::new());
    for ((node, power), looked) in lab.nodes.iter().zip(power).zip(looked) {
        let in_cluster = seen.iter().find(|s| s.name == node.name);
        let (mut state, mut why) = match (power, in_cluster) {
            (Ok(false), _) => (NodeState::Off, "its machine is off".to_owned()),
            (_, Some(s)) if s.ready => (NodeState::Ready, String::new()),
            (_, Some(s)) => (NodeState::NotReady, s.reason.clone()),
            (_, None) if looked.is_err() => (NodeState::Unreachable, "neither SSH nor the API knows it".to_owned()),
            (_, None) => (NodeState::NotReady, "the API does not show it".to_owned()),
        };
        match looked {
            Ok(Look { active, clock }) => {
                if active != "active" {
                    state = if state == NodeState::Ready { NodeState::NotReady } else { state };
                    why = format!("{}.service is {active}; {why}", unit(node)).trim_end_matches("; ").to_owned();
                }
                clocks.push((node.name.clone(), clock));
            }
            Err(error) => {
                if state == NodeState::Ready {
                    why = format!("Ready, but: {error}");
                }
                clocks.push((node.name.clone(), Err(error.to_string())));
                silent.push(node.name.clone());
            }
        }
        if state != NodeState::Ready {
            findings.push(Finding { id: "AL-STA-001", what: format!("{} is {state}: {why}", node.name) });
        }
        let role = if node.role == Role::Server { "server" } else { "agent" };
        nodes.push(NodeStatus {
            name: node.name.clone(),
            role: role.into(),
            address: node.address.to_string(),
            state,
            why,
        });
    }
    for trouble in troubles {
        let cause = if registry.ok { trouble.message } else { format!("the registry is down; {}", trouble.message) };
        let what = format!("{} on {}: {}: {cause}", trouble.pod, trouble.node, trouble.reason);
        findings.push(Finding { id: "AL-STA-004", what });
    }
    findings.extend(kubesphere);
    let golden = golden_machines(context, &vmrun, &mut findings).await?;
    let clocks = clocks::compared(&registry.address, facts, &secrets, clocks, host);
    findings.extend(clocks::findings(&clocks, &silent));
    Ok(Status {
        lab: lab.name.clone(),
        healthy: findings.is_empty(),
        nodes,
        conditions,
        golden,
        registry,
        clocks,
        findings,
    })
}

/// What a node itself says.
struct Look {
    /// The state of its k3s.
    active: String,
    clock: Result<timesync::Clock, String>,
}

async fn look(node: &Node, login: Result<Ssh, SshError>) -> Result<Look, SshError> {
    let ssh = login?;
    let is_active = Cmd::new("systemctl").args(["is-active", unit(node)]);
    let (active, clock) = tokio::join!(ssh.run(&is_active), timesync::measure(&ssh));
    let active = active.map_or_else(|e| e.to_string(), |out| out.text());
    Ok(Look { active, clock: clock.map_err(|e| e.to_string()) })
}

fn unit(node: &Node) -> &'static str {
    if node.role == Role::Server { "k3s" } else { "k3s-agent" }
}

/// The golden machines that nodes are clones of: a clone's disk is of no use without them.
async fn golden_machines(
    context: &Context,
    vmrun: &Vmrun,
    findings: &mut Vec<Finding>,
) -> Result<Vec<String>, Failure> {
    let (lab, files) = (&context.lab, &context.files);
    let mut needed = BTreeMap::<String, Vec<&str>>::new();
    for node in lab.machines() {
        let vmx = machines::read_vmx(&files.vmx(&node.name))?;
        if let Some(golden) = vmx.as_ref().and_then(|v| v.get(golden::CLONE_OF)) {
            needed.entry(golden.to_owned()).or_default().push(&node.name);
        }
    }
    let mut words = Vec::new();
    for (name, clones) in needed {
        let (vmx, clones) = (files.vmx(&name), clones.join(", "));
        let state = match vmx.exists() {
            false => Err("is gone".to_owned()),
            true => match golden::is_finished(vmrun, &vmx).await {
                Ok(true) => Ok(format!("{name}: snapshot {}, clones {clones}", golden::SNAPSHOT)),
                Ok(false) => Err(format!("has no snapshot {}", golden::SNAPSHOT)),
                Err(failure) => Err(innermost(failure.problem())),
            },
        };
        match state {
            Ok(text) => words.push(text),
            Err(why) => {
                let what = format!("{name}, which {clones} are clones of: {why}");
                findings.push(Finding { id: "AL-STA-006", what });
            }
        }
    }
    Ok(words)
}
