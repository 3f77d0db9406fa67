//! A whole lab off and on again, in order: those that depend on others go first and come last.

use std::time::Instant;

use futures_util::future::try_join_all;
use k3s_bootstrap::{Cluster, Condition};
use lab::{Node, Role};
use serde::Serialize;
use steps::Sink;

use crate::nodes::{self, Live};
use crate::registry::Registry;
use crate::run::Run;
use crate::secrets::Secrets;
use crate::{AirlabError, Context, Facts, Failure, clocks, conditions, hosts, kubeconfig, power};

/// The end of `up` or `down`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Switched {
    /// The lab's name.
    pub lab: String,
    /// What this run changed, in order.
    pub changes: Vec<String>,
    /// What the cluster shows; empty when it is off.
    pub conditions: Vec<Condition>,
    /// Wall time, in seconds.
    pub seconds: u64,
}

/// Switches a lab off: agents side by side, then the other servers, the first server, the registry, the network. What is off
/// is left alone. On an existing host only k3s stops. Disks, keys and the registry's store stay.
pub async fn down(context: &Context, sink: &dyn Sink) -> Result<Switched, Failure> {
    let start = Instant::now();
    let (lab, files) = (&context.lab, &context.files);
    if !files.root().exists() {
        return Err(AirlabError::NoLab { root: files.root().to_owned() }.into());
    }
    let run = Run::new(lab, files, sink);
    let vmrun = context.provider.vmrun();
    let facts = context.seen().filter(|_| lab.hosts().next().is_some() && files.pki().exists());
    let inside = facts.map(|facts| Secrets::load(lab, files).map(|secrets| (secrets, facts))).transpose()?;
    let off = async |node: &Node| {
        if node.host.is_some() {
            return match &inside {
                Some((secrets, facts)) => hosts::switch_off(&run, secrets, facts, node).await,
                None => Ok(()),
            };
        }
        let vmx = files.vmx(&node.name);
        if vmx.exists() {
            run.changed_if(vmrun.ensure_stopped(&vmx).await?, format!("{}: stopped", node.name));
        }
        Ok::<_, Failure>(())
    };
    let agents = lab.nodes.iter().filter(|n| n.role == Role::Agent);
    run.step("agents", async { try_join_all(agents.map(off)).await.map(drop) }).await?;
    let mut servers: Vec<&Node> = lab.servers().collect();
    servers.reverse();
    run.step("servers", async {
        for server in servers {
            off(server).await?;
        }
        Ok(())
    })
    .await?;
    run.step("registry", async {
        run.changed_if(Registry::new(lab, files, "", &context.beside).stop().await?, "registry stopped");
        Ok(())
    })
    .await?;
    run.step("network", async {
        if context.seen().is_some() {
            context.provider.network_down()?;
            run.changed_if(context.provider.network_up(lab).is_some(), "network down");
        }
        Ok(())
    })
    .await?;
    let (lab, changes) = (lab.name.clone(), run.changes());
    Ok(Switched { lab, changes, conditions: Vec::new(), seconds: start.elapsed().as_secs() })
}

/// Switches a lab on that was provisioned before, also after the desktop was restarted: registry, servers, clocks, agents,
/// Ready. The network is up already ([`Context::ensure_network`]). Nothing is installed anew.
pub async fn up(context: &Context, facts: &Facts, sink: &dyn Sink) -> Result<Switched, Failure> {
    let start = Instant::now();
    let (lab, files) = (&context.lab, &context.files);
    let text = kubeconfig::inside(context).map_err(|_| AirlabError::NoLab { root: files.root().to_owned() })?;
    let run = Run::new(lab, files, sink);
    let vmrun = context.provider.vmrun();
    let secrets = Secrets::load(lab, files)?;
    let registry = Registry::new(lab, files, secrets.authority.cert_pem(), &context.beside);
    registry.port_free_or_ours().await?;
    run.step("registry", async {
        registry.ensure(sink).await?.into_iter().for_each(|change| run.changed(change));
        Ok(())
    })
    .await?;
    let on = async |node: &Node| {
        if node.host.is_some() {
            return Ok(Live { node: node.clone(), ssh: hosts::connect(&secrets, node).await? });
        }
        let vmx = files.vmx(&node.name);
        if !vmx.exists() {
            return Err(AirlabError::NoMachine { node: node.name.clone(), vmx }.into());
        }
        run.changed_if(vmrun.ensure_running(&vmx).await?, format!("{}: started", node.name));
        let ssh = nodes::wait_ready(&run, &vmrun, &secrets, node, &vmx).await?;
        Ok::<_, Failure>(Live { node: node.clone(), ssh })
    };
    // All servers at once: none of several has a majority by itself.
    let servers = run.step("servers", async {
        let servers = try_join_all(lab.servers().map(on)).await?;
        clocks::ensure(&run, &secrets, &registry, &servers).await?;
        try_join_all(servers.iter().map(|live| hosts::switch_on(&run, &secrets, live))).await?;
        Ok(servers)
    });
    let servers = servers.await?;
    run.step("agents", async {
        let agents = try_join_all(lab.nodes.iter().filter(|n| n.role == Role::Agent).map(on)).await?;
        clocks::ensure(&run, &secrets, &registry, &agents).await?;
        try_join_all(agents.iter().map(|live| hosts::switch_on(&run, &secrets, live))).await.map(drop)
    })
    .await?;
    // the way from outside may have other ports than before
    run.step("kubeconfig", kubeconfig::ensure(&run, context, facts, &servers)).await?;
    let machines: Vec<&Node> = lab.nodes.iter().collect();
    let ready = async {
        let cluster = Cluster::new(&text).await?;
        let expected = conditions::expected(lab, files);
        Ok(cluster.wait_conditions(&expected, conditions::READY, sink).await?)
    };
    let conditions = run.step("ready", power::while_on(&run, &vmrun, &machines, power::LOOK, ready)).await?;
    let (lab, changes) = (lab.name.clone(), run.changes());
    Ok(Switched { lab, changes, conditions, seconds: start.elapsed().as_secs() })
}
