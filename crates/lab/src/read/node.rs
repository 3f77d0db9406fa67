//! The tables `[[node]]`.

use std::collections::HashMap;
use std::net::Ipv4Addr;

use toml::Spanned;
use toml::de::DeValue;

use super::{Reader, Section};
use crate::model::{Node, Role};
use crate::{Cidr, FlawKind, keys};

impl Reader<'_> {
    pub(super) fn nodes(&mut self, top: Section<'_, '_>, cidr: Cidr) -> Vec<Node> {
        let mut nodes = Vec::new();
        let mut seen = HashMap::new();
        let list = top.table.and_then(|t| t.get("node"));
        match list.map(|v| (v, v.get_ref())) {
            None => self.missing(top, "node"),
            Some((_, DeValue::Array(items))) => {
                for item in items.iter() {
                    let DeValue::Table(table) = item.get_ref() else {
                        self.bad(top, "node", item, "a table: write [[node]]");
                        continue;
                    };
                    let section = Section { name: "node", span: item.span().start, table: Some(table) };
                    self.known(section, keys::NODE);
                    nodes.extend(self.node(section, cidr, &mut seen));
                }
                let servers = nodes.iter().filter(|n: &&Node| n.role == Role::Server).count();
                if servers % 2 == 0 && self.flaws.is_empty() {
                    let at = list.map_or(0, |v| v.span().start);
                    self.flaw(at..at, FlawKind::Servers { servers });
                }
            }
            Some((value, _)) => self.bad(top, "node", value, "a list of tables: write [[node]]"),
        }
        nodes
    }

    fn node(&mut self, section: Section<'_, '_>, cidr: Cidr, seen: &mut HashMap<String, &'static str>) -> Option<Node> {
        let name = self.name(section, "name");
        if section.table.is_some_and(|t| t.get("address").is_none()) {
            self.missing(section, "address");
        }
        let address: Option<Ipv4Addr> = self.parsed(section, "address", "an IPv4 address", |s| s.parse().ok());
        let role = self.choice(section, "role", &[("server", Role::Server), ("agent", Role::Agent)]);
        let span = |key: &str| {
            section
                .table
                .and_then(|t| t.get(key))
                .map_or(section.span..section.span, |v: &Spanned<DeValue<'_>>| v.span())
        };
        for (what, value) in [("name", name.clone()), ("address", address.map(|a| a.to_string()))] {
            if let Some(value) = value
                && seen.insert(format!("{what} {value}"), what).is_some()
            {
                self.flaw(span(what), FlawKind::Twice { what, value });
            }
        }
        let there = Self::is_host(section);
        let host = self.host(section);
        // an existing host may be anywhere, but not in the place of another
        let misplaced = |a: &Ipv4Addr| !cidr.usable(*a) && (!there || cidr.contains(*a));
        if let Some(address) = address.filter(misplaced) {
            let node = name.clone().unwrap_or_default();
            let kind = FlawKind::AddressOutside { node, address: address.to_string(), network: cidr.to_string() };
            self.flaw(span("address"), kind);
        }
        let memory = self.number(section, "memory_mib", 512..=1_048_576, 2048);
        if !memory.is_multiple_of(4)
            && let Some(value) = section.table.and_then(|t| t.get("memory_mib"))
        {
            self.bad(section, "memory_mib", value, "a multiple of 4, as VMware wants it");
        }
        let mac = self.parsed(section, "mac", "a MAC address from 00:50:56:00:00:00 to 00:50:56:3f:ff:ff", static_mac);
        let cpus = self.number(section, "cpus", 1..=64, 2);
        let labels = self.texts(section, "labels");
        let taints = self.texts(section, "taints");
        let address = address?;
        Some(Node {
            name: name?,
            role: role.unwrap_or(Role::Agent),
            address,
            cpus: u32::try_from(cpus).unwrap_or(2),
            memory_mib: u32::try_from(memory).unwrap_or(2048),
            mac: mac.unwrap_or_else(|| Node::mac_for(address)),
            labels,
            taints,
            host,
        })
    }
}

/// A MAC address in the range VMware lets people assign, in lower case.
fn static_mac(text: &str) -> Option<String> {
    let lower = text.to_ascii_lowercase();
    let bytes: Option<Vec<u8>> =
        lower.split(':').map(|b| (b.len() == 2).then(|| u8::from_str_radix(b, 16).ok()).flatten()).collect();
    bytes.filter(|b| b.len() == 6 && b[..3] == [0x00, 0x50, 0x56] && b[3] <= 0x3f).map(|_| lower)
}
