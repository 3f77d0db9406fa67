//! A machine that goes off ends what waits for it.

use std::future::Future;
use std::time::Duration;

use lab::Node;
use vmware::vmrun::{Vmrun, same_path};

use crate::nodes::last_line;
use crate::run::Run;
use crate::{AirlabError, Failure};

/// How often the machines are looked at. A run on a lab at work is over before the first look.
pub(crate) const LOOK: Duration = Duration::from_secs(10);

/// Does the work as long as these nodes' machines are on: what k3s or a cluster is waited for does not come from a
/// machine without power, and its own deadline is long.
pub(crate) async fn while_on<T>(
    run: &Run<'_>,
    vmrun: &Vmrun,
    nodes: &[&Node],
    every: Duration,
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    tokio::select! {
        biased;
        done = work => done,
        off = until_off(run, vmrun, nodes, every) => Err(off),
    }
}

/// Comes back when a machine was off in two looks; a look that fails is none.
async fn until_off(run: &Run<'_>, vmrun: &Vmrun, nodes: &[&Node], every: Duration) -> Failure {
    let mut missed: Option<String> = None;
    loop {
        tokio::time::sleep(every).await;
        let Ok(on) = vmrun.all_running().await else { continue };
        // an existing host is nobody's machine
        let off = nodes
            .iter()
            .filter(|n| n.host.is_none())
            .find(|n| !on.iter().any(|vmx| same_path(vmx, &run.files.vmx(&n.name))));
        match off {
            Some(node) if missed.as_ref() == Some(&node.name) => {
                let log = run.files.machine_file(&node.name, "serial0.log");
                return AirlabError::NodeOff { node: node.name.clone(), last: last_line(&log), log }.into();
            }
            other => missed = other.map(|node| node.name.clone()),
        }
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use lab::{Lab, Layout};
    use steps::Silent;

    fn fake(says: &str) -> Vmrun {
        let mut vmrun = Vmrun::new("sh");
        vmrun.program.extend(["-c".to_owned(), format!("printf '{says}'"), "sh".to_owned()]);
        vmrun
    }

    #[tokio::test]
    async fn work_that_waits_for_a_machine_without_power_ends_and_other_work_goes_on() {
        let dir = tempfile::tempdir().unwrap();
        let lab = Lab::parse(std::path::Path::new("airlab.toml"), lab::DEMO).unwrap();
        let files = Layout::of(&lab, dir.path());
        let run = Run::new(&lab, &files, &Silent);
        let (node, every) = (&lab.nodes[0], Duration::from_millis(20));
        let never = || std::future::pending::<Result<(), Failure>>();
        let off = while_on(&run, &fake("Total running VMs: 0\\n"), &[node], every, never()).await.unwrap_err();
        assert_eq!(off.problem().id(), "AL-RUN-010");
        let vmx = files.vmx(&node.name);
        let on = fake(&format!("Total running VMs: 1\\n{}\\n", vmx.display()));
        let short = async {
            tokio::time::sleep(Duration::from_millis(300)).await;
            Ok(7)
        };
        assert_eq!(while_on(&run, &on, &[node], every, short).await.unwrap(), 7);
    }
}
