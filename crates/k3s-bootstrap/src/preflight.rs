//! What k3s needs of a node before it starts there: without it k3s ends, or works without saying what is missing.

use machine::{Cmd, Exec};

use crate::{K3sError, Node};

/// Checks a node's default route and the resolver its pods will get. Changes nothing.
pub async fn preflight(exec: &dyn Exec, node: &Node) -> Result<(), K3sError> {
    let ip = node.resolver;
    if ip.is_loopback() || ip.is_link_local() || ip.is_unspecified() || ip.is_multicast() || ip.is_broadcast() {
        return Err(K3sError::Resolver { node: node.name.clone(), address: ip.to_string() });
    }
    const ROUTES: &str = "ip -4 route show default; ip -6 route show default";
    let routes = exec.run_ok(&Cmd::new("sh").args(["-c", ROUTES])).await?.text();
    if routes.trim().is_empty() {
        return Err(K3sError::NoRoute { node: node.name.clone() });
    }
    Ok(())
}
