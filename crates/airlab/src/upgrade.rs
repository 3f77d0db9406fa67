//! Members that run another k3s are brought to the lab's, one by one, with the cluster whole before each.

use std::time::Duration;

use k3s_bootstrap::{Cluster, Upgrade, save_snapshot, upgrade_node};
use secrecy::ExposeSecret;

use crate::cluster::{Old, note};
use crate::nodes::Live;
use crate::run::Run;
use crate::{Failure, conditions};

/// How long the cluster may take to be whole before the next node's turn.
const GATE: Duration = Duration::from_secs(600);

/// Servers first, then agents, each of which is drained; a snapshot of the datastore before. A node that is not healthy with
/// the new program gets its old one back, and nothing is tried after it; what is done already is left alone when it is run
/// again. `first` is a server whose API answers.
pub(crate) async fn one_by_one(run: &Run<'_>, first: &Live, old: &[Old<'_>]) -> Result<(), Failure> {
    let names: Vec<&str> = old.iter().map(|o| o.live().node.name.as_str()).collect();
    run.note("upgrade", format!("{} run another k3s than the lab's: one by one", names.join(", ")));
    let server = k3s_bootstrap::kubeconfig(&first.ssh).await?;
    let inside = kubecfg::Kubeconfig::parse(server.expose_secret())?.with_server(&first.node.api()).render()?;
    let cluster = Cluster::new(&inside).await?;
    // once here, and with each node after it is upgraded
    let how = Upgrade { patience: GATE, seen: true, ..Upgrade::new(conditions::by_api(run.lab)) };
    cluster.wait_conditions(&how.gate, how.patience, run.sink).await?;
    run.step("snapshot", async {
        let saved = save_snapshot(&first.ssh, "pre-upgrade").await?;
        run.changed(format!("{}: snapshot {}", first.node.name, saved.name));
        Ok(())
    })
    .await?;
    for old in old {
        let node = &old.live().node;
        run.step(&format!("upgrade/{}", node.name), async {
            let (spec, unit, files) = old.spec().parts()?;
            let done = upgrade_node(&cluster, &old.live().ssh, spec, unit, &files, &how, run.sink).await?;
            note(run, &node.name, done.report);
            Ok(())
        })
        .await?;
    }
    Ok(())
}
