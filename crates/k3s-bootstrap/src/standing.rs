//! Whether a node belongs to a cluster already, and through which server it came.

use machine::{Cmd, Exec};

use crate::K3sError;

/// What a node has of a cluster, as observed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Standing {
    /// The server its configuration names.
    pub joined: Option<String>,
    /// Whether it holds data of the cluster: a member's datastore on a server, a kubelet's certificate on an agent.
    pub member: bool,
}

/// What an agent or a server has once it has been let in.
const LOOK: &str = "sed -n 's/^server: */server=/p' /etc/rancher/k3s/config.yaml 2> /dev/null
for path in /var/lib/rancher/k3s/server/db/etcd/member /var/lib/rancher/k3s/agent/client-kubelet.crt; do
  [ ! -e \"$path\" ] || echo member
done";

impl Standing {
    /// Looks at a node.
    pub async fn look(exec: &dyn Exec) -> Result<Self, K3sError> {
        let said = exec.run_ok(&Cmd::new("sh").args(["-c", LOOK]).as_root()).await?.text();
        let joined =
            said.lines().find_map(|line| line.strip_prefix("server=")).map(|url| url.trim_matches(['"', '\'']));
        Ok(Self { joined: joined.map(str::to_owned), member: said.lines().any(|line| line == "member") })
    }

    /// Through which server a node shall join: a member keeps what it has, so that its configuration stays the same; a new
    /// one takes the first of `answering`, then `usual`. `None`: it begins the cluster itself.
    pub fn server(&self, usual: Option<&str>, answering: &[String]) -> Option<String> {
        match (self.member, answering.first()) {
            (true, _) => self.joined.clone(),
            (false, Some(server)) => Some(server.clone()),
            (false, None) => usual.map(str::to_owned),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_stays_and_a_wiped_first_server_joins_the_others() {
        let others = ["https://b:6443".to_owned()];
        let fresh = Standing::default();
        assert_eq!(fresh.server(None, &[]), None, "it begins");
        assert_eq!(fresh.server(None, &others).as_deref(), Some("https://b:6443"), "it was wiped");
        assert_eq!(fresh.server(Some("https://a:6443"), &[]).as_deref(), Some("https://a:6443"), "both start at once");
        let first = Standing { joined: None, member: true };
        assert_eq!(first.server(None, &others), None);
        let rebuilt = Standing { joined: Some("https://b:6443".into()), member: true };
        assert_eq!(rebuilt.server(None, &[]).as_deref(), Some("https://b:6443"));
    }
}
