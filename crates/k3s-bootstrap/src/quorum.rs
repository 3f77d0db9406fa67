//! Which servers may leave without taking the datastore along.

use crate::{K3sError, NodeStatus};

/// A server as a member of the datastore.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// The node's name.
    pub name: String,
    /// Whether it is up.
    pub up: bool,
}

/// Whether these servers may leave, one after the other: before and after each of them a majority must be up. The last
/// server never may.
///
/// ```
/// use k3s_bootstrap::{Member, may_leave};
/// let members = [("a", true), ("b", true), ("c", false)].map(|(name, up)| Member { name: name.into(), up });
/// assert!(may_leave(&members, &["c"]).is_ok());
/// assert!(may_leave(&members, &["b"]).is_err());
/// ```
pub fn may_leave(members: &[Member], leaving: &[&str]) -> Result<(), K3sError> {
    let mut left: Vec<&Member> = members.iter().collect();
    for name in leaving {
        let Some(place) = left.iter().position(|m| m.name == *name) else { continue };
        let refused = |servers: &[&Member]| K3sError::Quorum {
            node: (*name).to_owned(),
            servers: servers.len(),
            up: servers.iter().filter(|m| m.up).count(),
        };
        if !majority(&left) {
            return Err(refused(&left));
        }
        let mut after = left.clone();
        after.remove(place);
        if after.is_empty() || !majority(&after) {
            return Err(refused(&left));
        }
        left = after;
    }
    Ok(())
}

fn majority(members: &[&Member]) -> bool {
    members.iter().filter(|m| m.up).count() > members.len() / 2
}

impl Member {
    /// The servers among a cluster's nodes.
    pub fn of(nodes: &[NodeStatus]) -> Vec<Self> {
        nodes.iter().filter(|n| n.is_server()).map(|n| Self { name: n.name.clone(), up: n.ready }).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn members(up: &[bool]) -> Vec<Member> {
        up.iter().enumerate().map(|(i, up)| Member { name: format!("s{i}"), up: *up }).collect()
    }

    #[test]
    fn a_majority_stays_at_every_step() {
        let three = members(&[true, true, true]);
        assert!(may_leave(&three, &["s0"]).is_ok());
        assert!(may_leave(&three, &["s0", "s1"]).is_ok());
        assert!(may_leave(&three, &["s0", "s1", "s2"]).is_err(), "the last one");
        assert!(may_leave(&members(&[true]), &["s0"]).is_err());
        assert!(may_leave(&members(&[true]), &["worker"]).is_ok());
    }

    #[test]
    fn the_dead_may_leave_while_a_majority_lives() {
        let one_dead = members(&[true, false, true]);
        assert!(may_leave(&one_dead, &["s1"]).is_ok());
        assert!(may_leave(&one_dead, &["s1", "s2"]).is_ok());
        assert!(may_leave(&one_dead, &["s0"]).is_err(), "one of two would be up");
        assert!(may_leave(&members(&[true, false, false]), &["s1"]).is_err(), "nothing can be decided any more");
    }
}
