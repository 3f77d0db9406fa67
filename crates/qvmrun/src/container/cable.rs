//! A machine's network namespace and the cable from its adapter to the bridge.

use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use machine::{Cmd, Local};
use rustix::mount::{UnmountFlags, unmount};

use crate::Failure;
use crate::net::{BRIDGE, Lab};
use crate::place::Place;
use crate::vm::Vm;

/// The adapter's name inside: that of a vmxnet3 in VMware's slot 160.
pub(super) const NIC: &str = "ens160";

/// The bridge's end of the cable.
fn port(id: &str) -> String {
    format!("qvm{id}")
}

/// The namespace, bound to a file in the supervisor's own mount namespace: it is gone with its processes.
#[derive(Debug)]
pub(super) struct Cable {
    namespace: PathBuf,
    plugged: Option<(Lab, String)>,
}

impl Cable {
    pub(super) fn plug(vm: &Vm, lab: Option<&Lab>, place: &Place) -> Result<Self, Failure> {
        let namespace = place.dir().join("net");
        fs::write(&namespace, "").map_err(|source| Failure::File {
            path: namespace.clone(),
            doing: "not written",
            source,
        })?;
        let file = namespace.display().to_string();
        let unshare = Cmd::new("unshare").arg(format!("--net={file}")).arg("true");
        Local.run_ok(&unshare).map_err(Failure::exec("making a network namespace"))?;
        let mut cable = Self { namespace, plugged: None };
        cable.inside(["link", "set", "lo", "up"])?;
        if let (Some(lab), Some(mac)) = (lab, vm.mac()) {
            let port = port(&vm.id);
            let _ = lab.ip(["link", "del", &port]); // of a supervisor that was killed
            let veth = ["link", "add", &port, "type", "veth", "peer", "name", NIC, "address", &mac, "netns", &file];
            lab.ip(veth)?;
            cable.plugged = Some((lab.clone(), port.clone()));
            lab.ip(["link", "set", &port, "master", BRIDGE])?;
            set(lab, &vm.id, vm.nic_connected())?;
        }
        Ok(cable)
    }

    pub(super) fn namespace(&self) -> &Path {
        &self.namespace
    }

    fn inside<const N: usize>(&self, args: [&str; N]) -> Result<(), Failure> {
        let cmd = Cmd::new("nsenter").arg(format!("--net={}", self.namespace.display())).args(["--", "ip"]).args(args);
        Local.run_ok(&cmd).map_err(Failure::exec("setting up the machine's network"))?;
        Ok(())
    }
}

impl Drop for Cable {
    fn drop(&mut self) {
        if let Some((lab, port)) = &self.plugged {
            let _ = lab.ip(["link", "del", port]);
        }
        let _ = unmount(&self.namespace, UnmountFlags::DETACH);
        let _ = fs::remove_file(&self.namespace);
    }
}

/// Plugs or unplugs the bridge's end.
pub(super) fn set(lab: &Lab, id: &str, connected: bool) -> Result<(), Failure> {
    lab.ip(["link", "set", &port(id), if connected { "up" } else { "down" }]).map(|_| ())
}

/// The first address in the output of `ip -o addr`.
pub(super) fn address(text: &str) -> Option<IpAddr> {
    let mut words = text.split_whitespace().skip_while(|w| *w != "inet");
    words.nth(1)?.split('/').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_address_is_read_from_ip() {
        let text = "2: ens160    inet 192.168.6.10/24 brd 192.168.6.255 scope global ens160\\       valid_lft forever";
        assert_eq!(super::address(text), Some("192.168.6.10".parse().unwrap()));
        assert_eq!(super::address(""), None);
    }
}
