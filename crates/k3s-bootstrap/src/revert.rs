//! The program and the files of a node are kept before an upgrade, and put back when it does not come back healthy.

use std::time::Duration;

use machine::{Cmd, Exec, RemoteFile};
use steps::Sink;

use crate::ensure::start_service;
use crate::files::{K3S, read_at_start};
use crate::{K3sError, Node, Unit};

/// Where they are kept; it goes with k3s's own folder.
const KEPT: &str = "/var/lib/rancher/k3s/airlab-before-upgrade";
const LONG: Duration = Duration::from_secs(300);

/// What was kept of a node before it was changed.
#[derive(Debug)]
pub(crate) struct Kept {
    paths: Vec<String>,
}

/// Keeps everything of the node that k3s reads at its start and that the upgrade may change.
pub(crate) async fn keep(exec: &dyn Exec, node: &Node, files: &[RemoteFile]) -> Result<Kept, K3sError> {
    const KEEP: &str = "set -e
umask 077
kept=$1; shift
rm -rf \"$kept.new\"
mkdir -p \"$kept.new\"
for path; do
  [ -e \"$path\" ] || continue
  mkdir -p \"$kept.new${path%/*}\"
  cp -a \"$path\" \"$kept.new$path\"
done
rm -rf \"$kept\"
mv \"$kept.new\" \"$kept\"";
    let mut paths = read_at_start(files, node);
    if !paths.iter().any(|path| path == K3S) {
        paths.push(K3S.to_owned());
    }
    let cmd = Cmd::new("sh").args(["-c", KEEP, "sh", KEPT]).args(&paths).as_root().timeout(LONG);
    exec.run_ok(&cmd).await?;
    Ok(Kept { paths })
}

/// Puts back what was kept, with its times, removes what there was not, and starts the service anew.
pub(crate) async fn revert(
    exec: &dyn Exec,
    node: &Node,
    unit: Unit,
    kept: &Kept,
    sink: &dyn Sink,
) -> Result<(), K3sError> {
    const REVERT: &str = "set -e
unit=$1 kept=$2; shift 2
systemctl stop \"$unit\"
for path; do
  [ -e \"$kept$path\" ] || rm -f \"$path\"
done
cd \"$kept\"
find . -type f | while IFS= read -r path; do
  cp -a --remove-destination \"$path\" \"${path#.}\"
done";
    let cmd = Cmd::new("sh").args(["-c", REVERT, "sh", unit.name(), KEPT]).args(&kept.paths).as_root().timeout(LONG);
    exec.run_ok(&cmd).await?;
    start_service(exec, node, unit, &[], sink).await?;
    Ok(())
}
