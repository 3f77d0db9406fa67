//! Reading vmrun's answers. Lines before the header are ignored: some hosts print junk there.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

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

/// What VMware knows about the Tools in a guest. A hint, not a decision: it lags in both directions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ToolsState {
    /// Not known; so for every machine that is off.
    Unknown,
    /// Installed, not answering.
    Installed,
    /// Answering.
    Running,
}

/// The lines after a header such as `Total running VMs: 2`, at most as many as it says.
fn counted<'a>(text: &'a str, header: &str) -> Option<Vec<&'a str>> {
    let mut lines = text.lines().skip_while(|l| !l.trim().starts_with(header));
    let count = lines.next()?.trim()[header.len()..].trim().parse().ok()?;
    Some(lines.filter(|l| !l.trim().is_empty()).take(count).collect())
}

/// Reads the answer of `list`.
pub fn running(text: &str) -> Option<Vec<PathBuf>> {
    Some(counted(text, "Total running VMs:")?.into_iter().map(|l| PathBuf::from(l.trim())).collect())
}

/// Reads the answer of `listSnapshots`, with or without the tree.
pub fn snapshots(text: &str) -> Option<Vec<SnapshotName>> {
    let one = |line: &str| SnapshotName {
        depth: line.chars().take_while(|c| *c == '\t').count(),
        name: line.trim().to_owned(),
    };
    Some(counted(text, "Total snapshots:")?.into_iter().map(one).collect())
}

/// Reads the answer of `listHostNetworks`.
pub fn host_networks(text: &str) -> Option<Vec<HostNetwork>> {
    let at = text.lines().position(|l| l.trim().starts_with("Total host networks:"))?;
    let rows = text.lines().skip(at + 1).map(str::trim).filter(|l| !l.is_empty() && !l.starts_with("INDEX"));
    rows.map(|row| {
        let words: Vec<&str> = row.split_whitespace().collect();
        let [index, name, kind, dhcp, subnet, mask] = words[..] else { return None };
        Some(HostNetwork {
            index: index.parse().ok()?,
            name: name.to_owned(),
            kind: kind.to_owned(),
            dhcp: dhcp.eq_ignore_ascii_case("true"),
            subnet: subnet.parse().ok().zip(mask.parse().ok()),
        })
    })
    .collect()
}

/// Reads the answer of `getGuestIPAddress`: `None` when there is none yet.
pub fn guest_address(text: &str) -> Option<IpAddr> {
    text.lines().rev().find_map(|l| l.trim().parse().ok())
}

/// Reads the answer of `checkToolsState`.
pub fn tools_state(text: &str) -> Option<ToolsState> {
    text.lines().rev().map(str::trim).find(|l| !l.is_empty()).and_then(|word| match word {
        "unknown" => Some(ToolsState::Unknown),
        "installed" => Some(ToolsState::Installed),
        "running" => Some(ToolsState::Running),
        _ => None,
    })
}
