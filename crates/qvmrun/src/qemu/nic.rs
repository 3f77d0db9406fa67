//! Network adapters.

use super::argv::{Args, Cables};
use crate::vm::Vm;
use crate::vm_error::VmError;

/// VMware machines have up to ten.
const MOST: u32 = 10;

/// One adapter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Nic {
    number: u32,
    /// Its end outside the machine: the tap's name.
    pub(super) tap: String,
    pub(super) connected: bool,
}

impl Nic {
    /// QEMU's name of the adapter.
    pub(super) fn id(&self) -> String {
        format!("ethernet{}", self.number)
    }
}

/// The adapters that are present.
pub(super) fn of(vm: &Vm) -> Vec<Nic> {
    let present = (0..MOST).filter(|n| vm.vmx.is_true(&format!("ethernet{n}.present")));
    let nic = |number: u32| {
        let tap = if number == 0 { format!("qvm{}", vm.id) } else { format!("qvm{}n{number}", vm.id) };
        let off = vm.vmx.get(&format!("ethernet{number}.startConnected"));
        Nic { number, tap, connected: !off.is_some_and(|v| v.eq_ignore_ascii_case("false")) }
    };
    present.map(nic).collect()
}

pub(super) fn add(vm: &Vm, cables: &Cables, args: &mut Args) -> Result<(), VmError> {
    for nic in of(vm) {
        let number = nic.number;
        args.add("-netdev", netdev(&nic, cables));
        let model = model(vm.vmx.get(&format!("ethernet{number}.virtualDev")))?;
        let mac = mac(vm, number)?;
        // Without a boot ROM: VMware's bios.bootOrder has no network unless it is asked for.
        args.add("-device", format!("{model},id={},netdev=net{number},mac={mac},romfile=", nic.id()));
    }
    Ok(())
}

fn netdev(nic: &Nic, cables: &Cables) -> String {
    let number = nic.number;
    match cables {
        Cables::Taps => format!("tap,id=net{number},ifname={},script=no,downscript=no", nic.tap),
        Cables::User { net, host, forwards } => {
            let mut text = format!("user,id=net{number},net={net},host={host},ipv6=off");
            if number == 0 {
                text.extend(forwards.iter().map(|(port, to)| format!(",hostfwd=tcp:127.0.0.1:{port}-{to}")));
            }
            text
        }
    }
}

fn model(virtual_dev: Option<&str>) -> Result<&'static str, VmError> {
    match virtual_dev.unwrap_or("e1000").to_ascii_lowercase().as_str() {
        "vmxnet3" => Ok("vmxnet3"),
        "e1000" => Ok("e1000"),
        "e1000e" => Ok("e1000e"),
        "vlance" => Ok("pcnet"),
        "virtio" => Ok("virtio-net-pci"),
        other => Err(VmError::NotStarted(format!("the network adapter {other} is not there"))),
    }
}

/// The adapter's address. A fixed one below VMware's own prefix must be in the range that is meant for them.
fn mac(vm: &Vm, number: u32) -> Result<String, VmError> {
    let key = |name: &str| vm.vmx.get(&format!("ethernet{number}.{name}")).map(str::to_ascii_lowercase);
    if let Some(mac) = key("address") {
        let octets: Option<Vec<u8>> =
            mac.split(':').map(|o| u8::from_str_radix(o, 16).ok().filter(|_| o.len() == 2)).collect();
        let allowed = octets.is_some_and(|o| o.len() == 6 && (o[..3] != [0, 0x50, 0x56] || o[3] <= 0x3f));
        return if allowed {
            Ok(mac)
        } else {
            Err(VmError::NotStarted(format!("ethernet{number}.address = \"{mac}\" is not an allowed static address")))
        };
    }
    // Generated at power-on for the first; VMware counts on from it in steps of ten.
    let last = u8::from_str_radix(&vm.id[6..8], 16).unwrap_or(0).wrapping_add(u8::try_from(number * 10).unwrap_or(0));
    let counted = format!("00:0c:29:{}:{}:{last:02x}", &vm.id[2..4], &vm.id[4..6]);
    Ok(key("generatedAddress").unwrap_or(counted))
}

#[cfg(test)]
mod tests {
    use super::super::argv::tests::vm;
    use super::*;

    #[test]
    fn addresses_are_fixed_ones_of_vmwares_range_or_generated() {
        assert_eq!(mac(&vm(""), 0).unwrap(), "00:50:56:06:00:0a");
        assert_eq!(mac(&vm(""), 1).unwrap(), "00:0c:29:ad:ca:08");
        assert!(mac(&vm("ethernet1.address = \"00:50:56:40:00:01\""), 1).is_err());
        assert!(mac(&vm("ethernet1.address = \"00:50:56\""), 1).is_err());
        assert_eq!(mac(&vm("ethernet1.generatedAddress = \"00:0C:29:00:00:01\""), 1).unwrap(), "00:0c:29:00:00:01");
    }

    #[test]
    fn adapters_that_are_present() {
        let vm =
            vm("ethernet1.present = \"TRUE\"\nethernet1.startConnected = \"FALSE\"\nethernet2.present = \"FALSE\"");
        let seen: Vec<_> = of(&vm).into_iter().map(|n| (n.id(), n.tap, n.connected)).collect();
        let nic = |id: &str, tap: &str, connected| (id.to_owned(), tap.to_owned(), connected);
        assert_eq!(seen, [nic("ethernet0", "qvm0badcafe", true), nic("ethernet1", "qvm0badcafen1", false)]);
        assert!(model(Some("vmxnet2")).is_err());
    }
}
