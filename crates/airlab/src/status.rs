//! How a lab is: every node of the lab file, the registry, the clocks; nothing is changed.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::join_all;
use k3s_bootstrap::Cluster;
use lab::Role;
use machine::{Cmd, Exec, Ssh};
use vmware::vmrun::Vmrun;

use crate::ready::{Finding, NodeState, NodeStatus, RegistryStatus, Status};
use crate::registry::Registry;
use crate::secrets::Secrets;
use crate::{ClockOwner, Context, Facts, Failure, conditions, golden, kubeconfig, kubesphere, machines};

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
        async move { vmrun.is_running(&vmx).await }
    }));
    let logins = join_all(lab.nodes.iter().map(|n| {
        let target = secrets.ssh(n);
        async move { Ssh::connect(&target, Duration::from_secs(5)).await }
    }));
    let kubesphere = kubesphere::findings(context);
    let (registry_answer, api, power, logins, kubesphere) =
        tokio::join!(registry.answers(), api, power, logins, kubesphere);

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
            let why = deepest(failure.problem());
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
    let mut clocks = Vec::new();
    for ((node, power), login) in lab.nodes.iter().zip(power).zip(logins) {
        let in_cluster = seen.iter().find(|s| s.name == node.name);
        let unit = if node.role == Role::Server { "k3s" } else { "k3s-agent" };
        let (mut state, mut why) = match (power, in_cluster) {
            (Ok(false), _) => (NodeState::Off, "its machine is off".to_owned()),
            (_, Some(s)) if s.ready => (NodeState::Ready, String::new()),
            (_, Some(s)) => (NodeState::NotReady, s.reason.clone()),
            (_, None) if login.is_err() => (NodeState::Unreachable, "neither SSH nor the API knows it".to_owned()),
            (_, None) => (NodeState::NotReady, "the API does not show it".to_owned()),
        };
        match login {
            Ok(ssh) => {
                let active = ssh.run(&Cmd::new("systemctl").args(["is-active", unit])).await;
                let active = active.map_or_else(|e| e.to_string(), |out| out.text());
                if active != "active" {
                    state = if state == NodeState::Ready { NodeState::NotReady } else { state };
                    why = format!("{unit}.service is {active}; {why}").trim_end_matches("; ").to_owned();
                }
                clocks.push((node.name.clone(), timesync::measure(&ssh).await));
            }
            Err(error) if state == NodeState::Ready => why = format!("Ready, but: {error}"),
            Err(_) => {}
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
    let clock = all_clocks(facts, &clocks, &mut findings);
    Ok(Status {
        lab: lab.name.clone(),
        healthy: findings.is_empty(),
        nodes,
        conditions,
        golden,
        registry,
        clock,
        findings,
    })
}

/// The golden machines that nodes are clones of: a clone's disk is of no use without them.
async fn golden_machines(
    context: &Context,
    vmrun: &Vmrun,
    findings: &mut Vec<Finding>,
) -> Result<Vec<String>, Failure> {
    let (lab, files) = (&context.lab, &context.files);
    let mut needed = BTreeMap::<String, Vec<&str>>::new();
    for node in &lab.nodes {
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
                Err(failure) => Err(deepest(failure.problem())),
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

type Measured = (String, Result<timesync::Clock, timesync::ClockError>);

/// The clocks in words; a node without a clock of its own never counts as a measured success.
fn all_clocks(facts: &Facts, clocks: &[Measured], findings: &mut Vec<Finding>) -> String {
    let mut words = Vec::new();
    for (node, offset) in clocks {
        match offset {
            Ok(clock) => {
                words.push(format!("{node} {}", clock.offset.map_or("not measured".into(), |o| o.to_string())));
                if clock.state != timesync::State::Ok {
                    let what = format!("clock of {node}: {:?}, {}", clock.state, crate::clocks::words(clock));
                    findings.push(Finding { id: "AL-STA-005", what });
                }
            }
            Err(error) => words.push(format!("{node} not measured ({error})")),
        }
    }
    match facts.clock {
        ClockOwner::Host => format!("the host's clock in every node (against the registry: {})", words.join(", ")),
        ClockOwner::Own => words.join(", "),
    }
}

fn deepest(problem: &dyn steps::Problem) -> String {
    let mut text = problem.to_string();
    let mut source = problem.source();
    while let Some(error) = source {
        text = error.to_string();
        source = error.source();
    }
    text
}
