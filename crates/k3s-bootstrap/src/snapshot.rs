//! Snapshots of the datastore, as `k3s etcd-snapshot` makes them.

use std::time::Duration;

use machine::{Cmd, Exec};
use serde::Serialize;

use crate::K3sError;
use crate::files::K3S;

pub(crate) const FOLDER: &str = "/var/lib/rancher/k3s/server/db/snapshots";
const LONG: Duration = Duration::from_secs(300);

/// A snapshot in a server's folder. Without the cluster's server token it is of no use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Snapshot {
    /// File name: what it was asked to be called, the node, and seconds since 1970.
    pub name: String,
    /// Size in bytes.
    pub bytes: u64,
    /// When it was finished, in seconds since 1970.
    pub made: u64,
}

impl Snapshot {
    /// Its file on the server.
    pub fn path(&self) -> String {
        format!("{FOLDER}/{}", self.name)
    }

    fn parse(line: &str) -> Option<Self> {
        let mut words = line.splitn(3, ' ');
        let bytes = words.next()?.parse().ok()?;
        let made = words.next()?.split('.').next()?.parse().ok()?;
        Some(Self { bytes, made, name: words.next()?.to_owned() })
    }
}

/// The snapshots a server has, oldest first; half-written ones are none.
pub async fn snapshots(exec: &dyn Exec) -> Result<Vec<Snapshot>, K3sError> {
    const LIST: &str =
        "[ ! -d \"$1\" ] || find \"$1\" -maxdepth 1 -type f ! -name '*.part' ! -name '.*' -printf '%s %T@ %f\\n'";
    let said = exec.run_ok(&Cmd::new("sh").args(["-c", LIST, "sh", FOLDER]).as_root()).await?.text();
    let mut list: Vec<Snapshot> = said.lines().filter_map(Snapshot::parse).collect();
    list.sort_by(|a, b| (a.made, &a.name).cmp(&(b.made, &b.name)));
    Ok(list)
}

/// Saves the datastore under a name that begins with `name`; gives back what is new in the folder.
pub async fn save_snapshot(exec: &dyn Exec, name: &str) -> Result<Snapshot, K3sError> {
    let before = snapshots(exec).await?;
    let cmd = Cmd::new(K3S).args(["etcd-snapshot", "save", "--name", name]).as_root().timeout(LONG);
    let out = exec.run(&cmd).await?;
    let said = || out.error_text().lines().chain(out.text().lines()).last().unwrap_or("no output").to_owned();
    let new = snapshots(exec).await?.into_iter().rev().find(|s| s.name.starts_with(name) && !before.contains(s));
    match (out.code, new) {
        (0, Some(new)) if new.bytes > 0 => Ok(new),
        _ => Err(K3sError::Snapshot { node: exec.target(), last: said() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_folder_is_read() {
        let snapshot = Snapshot::parse("2064416 1764000000.1234567890 etcd-snapshot-master-1764000000").unwrap();
        assert_eq!((snapshot.bytes, snapshot.made), (2_064_416, 1_764_000_000));
        assert!(snapshot.path().ends_with("/snapshots/etcd-snapshot-master-1764000000"));
        assert_eq!(Snapshot::parse("x y z"), None);
    }
}
