//! Network adapters in the .vmx of a machine that is off, and the port forwardings that a host-only network has: none.

use std::fmt::Write;

use vmware::Vmx;

use super::hold;
use crate::engine::Engine;
use crate::home::Home;
use crate::net;
use crate::vm::Vm;
use crate::vm_error::VmError;

/// As many as VMware allows.
const MOST: u32 = 10;

/// What an adapter can be connected to: the .vmx's word, and the network it stands for.
const KINDS: [(&str, &str); 4] = [("bridged", "vmnet0"), ("hostonly", "vmnet1"), ("nat", "vmnet8"), ("custom", "")];

/// What `listNetworkAdapters` prints.
pub(super) fn list(vm: &Vm) -> String {
    let present: Vec<u32> = (0..MOST).filter(|n| is_present(&vm.vmx, *n)).collect();
    let mut text = format!("Total network adapters: {}\n", present.len());
    text.push_str("INDEX  TYPE         VMNET\n");
    for n in present {
        let kind = vm.vmx.get(&format!("ethernet{n}.connectionType")).unwrap_or("bridged").to_ascii_lowercase();
        let usual = KINDS.iter().find(|(word, _)| *word == kind).map_or("", |(_, network)| *network);
        let network = vm.vmx.get(&format!("ethernet{n}.vnet")).map_or(usual.to_owned(), str::to_ascii_lowercase);
        let shown = if kind == "hostonly" { "hostOnly" } else { &kind };
        let _ = writeln!(text, "{n:<6} {shown:<12} {network}");
    }
    text
}

/// Adds an adapter, or with an index changes that one.
pub(super) fn set(
    home: &Home,
    engine: &dyn Engine,
    vmx: &str,
    index: Option<u32>,
    kind: &str,
    network: Option<&str>,
) -> Result<(), VmError> {
    let mut vm = off(home, engine, vmx)?;
    let kind = kind.to_ascii_lowercase();
    let known = KINDS.iter().any(|(word, _)| *word == kind);
    if !known || (kind == "custom") != network.is_some() {
        return Err(VmError::BadParameter);
    }
    let n = match index {
        Some(n) => Some(n).filter(|n| is_present(&vm.1.vmx, *n)),
        None => (0..MOST).find(|n| !is_present(&vm.1.vmx, *n)),
    };
    let n = n.ok_or(VmError::BadParameter)?;
    let vmx = &mut vm.1.vmx;
    if index.is_none() {
        let device = vmx.get("ethernet0.virtualDev").unwrap_or("e1000e").to_owned();
        for (key, value) in [("present", "TRUE"), ("virtualDev", &device), ("addressType", "generated")] {
            vmx.set(&format!("ethernet{n}.{key}"), value);
        }
    }
    vmx.set(&format!("ethernet{n}.connectionType"), &kind);
    match network {
        Some(network) => vmx.set(&format!("ethernet{n}.vnet"), network),
        None => vmx.remove(&format!("ethernet{n}.vnet")),
    }
    vm.1.save()
}

pub(super) fn remove(home: &Home, engine: &dyn Engine, vmx: &str, index: u32) -> Result<(), VmError> {
    let mut vm = off(home, engine, vmx)?;
    if !is_present(&vm.1.vmx, index) {
        return Err(VmError::BadParameter);
    }
    let prefix = format!("ethernet{index}.");
    let ours = |key: &str| key.to_ascii_lowercase().starts_with(&prefix);
    let keys: Vec<String> = vm.1.vmx.entries().map(|(k, _)| k.to_owned()).filter(|k| ours(k)).collect();
    keys.iter().for_each(|key| vm.1.vmx.remove(key));
    vm.1.save()
}

/// What `listPortForwardings` prints: VMware's NAT service does the forwarding, and no engine here has one.
pub(super) fn forwardings(home: &Home, network: &str) -> Result<String, VmError> {
    let networks = net::host_networks(home);
    let known = networks.lines().skip(2).any(|row| row.split_whitespace().nth(1).is_some_and(|n| n == network));
    if known { Ok("Total port forwardings: 0\n".into()) } else { Err(VmError::BadParameter) }
}

fn off(home: &Home, engine: &dyn Engine, vmx: &str) -> Result<(std::fs::File, Vm), VmError> {
    let (held, vm) = hold(home, vmx)?;
    if engine.is_on(&vm) { Err(VmError::On(vmx.into())) } else { Ok((held, vm)) }
}

fn is_present(vmx: &Vmx, n: u32) -> bool {
    vmx.is_true(&format!("ethernet{n}.present"))
}
