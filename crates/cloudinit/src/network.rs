//! A node's static network, in netplan's words (version 2), which cloud-init's `network-config` shares.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::Serialize;

use crate::NodeSpec;

/// One network interface with a static address. It is matched by name: `e*` is `ens160` under VMware, `enp1s0` or
/// `eth0` elsewhere, and a virtual interface may have no permanent MAC address to match by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NetworkConfig {
    version: u8,
    ethernets: BTreeMap<&'static str, Ethernet>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Ethernet {
    r#match: Match,
    dhcp4: bool,
    dhcp6: bool,
    accept_ra: bool,
    addresses: Vec<String>,
    routes: Vec<Route>,
    nameservers: Nameservers,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Match {
    name: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Route {
    to: &'static str,
    via: IpAddr,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Nameservers {
    addresses: Vec<IpAddr>,
}

impl NetworkConfig {
    /// No interface at all: nothing waits for a network that is not there.
    pub fn none() -> Self {
        Self { version: 2, ethernets: BTreeMap::new() }
    }

    /// The network of this node.
    pub fn of(node: &NodeSpec) -> Self {
        let nic = Ethernet {
            r#match: Match { name: "e*" },
            dhcp4: false,
            dhcp6: false,
            accept_ra: false,
            addresses: vec![format!("{}/{}", node.address, node.prefix)],
            routes: vec![Route { to: "default", via: node.gateway.into() }],
            nameservers: Nameservers { addresses: node.nameservers.clone() },
        };
        Self { version: 2, ethernets: BTreeMap::from([("lab", nic)]) }
    }
}
