//! Reading vmrun's answers about machines and the host. Lines before the header are ignored: some hosts print junk
//! there. Line ends may be CRLF.

use std::net::Ipv4Addr;
use std::path::PathBuf;

use super::text::lines;

/// A snapshot and how deep in the tree it lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotName {
    /// Its name.
    pub name: String,
    /// 0 for a root; always 0 when the list was asked for without the tree.
    pub depth: usize,
}

/// A virtual network of the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostNetwork {
    /// Its number.
    pub index: u32,
    /// `vmnet1`.
    pub name: String,
    /// `bridged`, `hostOnly`, `nat`.
    pub kind: String,
    /// Whether VMware's DHCP server answers there.
    pub dhcp: bool,
    /// Network address and mask; a bridged network has none.
    pub subnet: Option<(Ipv4Addr, Ipv4Addr)>,
}

/// A network adapter of a machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkAdapter {
    /// Its number.
    pub index: u32,
    /// `nat`, `bridged`, `hostOnly`, `custom`.
    pub kind: String,
    /// `vmnet8`; none where the list leaves it out.
    pub network: Option<String>,
}

/// A port of the host that leads to a machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortForwarding {
    /// `tcp` or `udp`.
    pub protocol: String,
    /// The port of the host.
    pub host_port: u16,
    /// The machine's address.
    pub guest_address: Ipv4Addr,
    /// The machine's port.
    pub guest_port: u16,
    /// What it is for; may be empty.
    pub description: String,
}

/// The lines after a header such as `Total running VMs: 2`, exactly as many as it says: an answer that was cut short is
/// none.
pub(super) fn counted<'a>(text: &'a str, header: &str) -> Option<Vec<&'a str>> {
    let mut rest = lines(text).skip_while(|l| !l.trim().starts_with(header));
    let count: usize = rest.next()?.trim()[header.len()..].trim().parse().ok()?;
    let found: Vec<&str> = rest.take(count).collect();
    (found.len() == count).then_some(found)
}

/// The rows of a table: a header with their number, a line of titles, and rows that begin with their index.
fn rows<'a>(text: &'a str, header: &str) -> Option<Vec<Vec<&'a str>>> {
    let mut rest = lines(text).skip_while(|l| !l.trim().starts_with(header));
    let count: usize = rest.next()?.trim()[header.len()..].trim().parse().ok()?;
    let table = rest.filter(|l| !l.trim().starts_with("INDEX")).take(count);
    let words: Vec<Vec<&str>> = table.map(|l| l.split_whitespace().collect()).collect();
    (words.len() == count).then_some(words)
}

/// Reads the answer of `list`.
///
/// ```
/// let text = "2015-08-31T17:57:29.547| ServiceImpl_Opener: PID 5033\r\nTotal running VMs: 1\r\nC:\\vms\\m.vmx\r\n";
/// assert_eq!(vmware::vmrun::running(text).unwrap(), [std::path::PathBuf::from("C:\\vms\\m.vmx")]);
/// ```
pub fn running(text: &str) -> Option<Vec<PathBuf>> {
    Some(counted(text, "Total running VMs:")?.into_iter().map(|l| PathBuf::from(l.trim())).collect())
}

/// Reads the answer of `listSnapshots`, with or without the tree.
pub fn snapshots(text: &str) -> Option<Vec<SnapshotName>> {
    let one = |line: &str| SnapshotName {
        depth: line.chars().take_while(|c| *c == '\t').count(),
        name: line.trim_start_matches('\t').to_owned(),
    };
    Some(counted(text, "Total snapshots:")?.into_iter().map(one).collect())
}

/// Reads the answer of `listHostNetworks`.
pub fn host_networks(text: &str) -> Option<Vec<HostNetwork>> {
    let one = |words: Vec<&str>| {
        let [index, name, kind, dhcp, subnet, mask] = words[..] else { return None };
        Some(HostNetwork {
            index: index.parse().ok()?,
            name: name.to_owned(),
            kind: kind.to_owned(),
            dhcp: dhcp.eq_ignore_ascii_case("true"),
            subnet: subnet.parse().ok().zip(mask.parse().ok()),
        })
    };
    rows(text, "Total host networks:")?.into_iter().map(one).collect()
}

/// Reads the answer of `listNetworkAdapters`.
pub fn network_adapters(text: &str) -> Option<Vec<NetworkAdapter>> {
    let one = |words: Vec<&str>| {
        let [index, kind, ref rest @ ..] = words[..] else { return None };
        let network = rest.first().filter(|n| !n.eq_ignore_ascii_case("empty")).map(|n| (*n).to_owned());
        Some(NetworkAdapter { index: index.parse().ok()?, kind: kind.to_owned(), network })
    };
    rows(text, "Total network adapters:")?.into_iter().map(one).collect()
}

/// Reads the answer of `listPortForwardings`.
pub fn port_forwardings(text: &str) -> Option<Vec<PortForwarding>> {
    let one = |words: Vec<&str>| {
        let [_, protocol, host_port, guest_address, guest_port, ref description @ ..] = words[..] else { return None };
        Some(PortForwarding {
            protocol: protocol.to_owned(),
            host_port: host_port.parse().ok()?,
            guest_address: guest_address.parse().ok()?,
            guest_port: guest_port.parse().ok()?,
            description: description.join(" "),
        })
    };
    rows(text, "Total port forwardings:")?.into_iter().map(one).collect()
}

/// Reads the answer of `readVariable`: what is left without noise. A variable that is not set is empty.
pub fn variable(text: &str) -> String {
    lines(text).collect::<Vec<_>>().join("\n")
}
