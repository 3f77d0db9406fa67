//! Looking at this host.

use std::path::PathBuf;

use super::network::{Vnet, dhcp_conf, linux_networking};
use super::workstation::Workstation;

/// VMware Workstation on this host, where it is installed: by the registry on Windows, by `/usr/bin/vmrun` and
/// `/etc/vmware/config` on Linux. `VMWARE_HOME` goes before both, as with packer.
pub fn workstation() -> Option<Workstation> {
    let name = format!("vmrun{}", std::env::consts::EXE_SUFFIX);
    let home = std::env::var_os("VMWARE_HOME").map(PathBuf::from).filter(|home| home.join(&name).is_file());
    let found = system::workstation();
    match home {
        Some(folder) => {
            let version = found.and_then(|f| f.version);
            Some(Workstation { vmrun: folder.join(&name), folder, version })
        }
        None => found,
    }
}

/// The host-only network `vmnetN` of this host, as VMware's files have it. Whether it is up is for the adapter itself
/// and for `vmrun listHostNetworks` to say.
pub fn host_only(number: u32) -> Option<Vnet> {
    system::networks_file().and_then(|path| std::fs::read_to_string(path).ok()).and_then(|text| {
        let read = if cfg!(windows) { dhcp_conf(&text) } else { linux_networking(&text) };
        read.get(&number).cloned()
    })
}

/// The number of this system's ANSI code page; none where everything is UTF-8.
pub(crate) fn code_page() -> Option<u16> {
    system::code_page()
}

#[cfg(not(windows))]
mod system {
    use super::{PathBuf, Workstation};
    use crate::discover::workstation::on_linux;

    pub(super) fn workstation() -> Option<Workstation> {
        let folders = std::env::var_os("PATH").unwrap_or_default();
        let places = ["/usr/bin", "/usr/local/bin"].map(PathBuf::from);
        let vmrun =
            places.into_iter().chain(std::env::split_paths(&folders)).map(|d| d.join("vmrun")).find(|p| p.is_file())?;
        Some(on_linux(&vmrun, std::fs::read_to_string("/etc/vmware/config").ok().as_deref()))
    }

    pub(super) fn networks_file() -> Option<PathBuf> {
        Some("/etc/vmware/networking".into())
    }

    pub(super) fn code_page() -> Option<u16> {
        None
    }
}

#[cfg(windows)]
mod system {
    use windows_registry::LOCAL_MACHINE;

    use super::{PathBuf, Workstation};
    use crate::discover::workstation::in_registry;

    fn value(key: &str, name: &str) -> Option<String> {
        LOCAL_MACHINE.open(key).ok()?.get_string(name).ok()
    }

    pub(super) fn workstation() -> Option<Workstation> {
        in_registry(&value).filter(|found| found.vmrun.is_file())
    }

    pub(super) fn networks_file() -> Option<PathBuf> {
        let services = r"SYSTEM\CurrentControlSet\services\VMnetDHCP\Parameters";
        let usual = || Some(PathBuf::from(std::env::var_os("ProgramData")?).join(r"VMware\vmnetdhcp.conf"));
        value(services, "ConfFile").map(PathBuf::from).or_else(usual)
    }

    pub(super) fn code_page() -> Option<u16> {
        value(r"SYSTEM\CurrentControlSet\Control\Nls\CodePage", "ACP")?.parse().ok()
    }
}
