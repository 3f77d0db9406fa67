//! Taking k3s off a node.

use std::time::Duration;

use machine::{Cmd, Exec};

use crate::K3sError;

const SCRIPT: &str = include_str!("../../../guest/k3s-airlab-uninstall");

/// Stops and removes everything of k3s on this node but its node password. Safe to repeat.
pub async fn uninstall(exec: &dyn Exec) -> Result<(), K3sError> {
    let cmd = Cmd::new("sh").arg("-s").as_root().stdin(SCRIPT).timeout(Duration::from_secs(180));
    exec.run_ok(&cmd).await?;
    Ok(())
}
