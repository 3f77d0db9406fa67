//! Where the registry's programs run: on the desktop itself, or in its WSL.

use std::ffi::OsString;
use std::net::Ipv4Addr;
use std::path::Path;
use std::time::Duration;

use lab::{Lab, RegistryHost};
use machine::{Cmd, Local};

/// WSL may have to start first, and `wsl.exe` can wait for ever.
const LONG: Duration = Duration::from_secs(60);

/// What is known of WSL's address: nothing where it was not asked, else the address or why there is none.
pub(crate) type WslAddress = Option<Result<Ipv4Addr, String>>;

/// A place that programs run in, with its own names for files.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) host: RegistryHost,
    /// Folder of `wsl.exe` and `docker` on the desktop; empty where the system finds them.
    pub(super) tools: &'a Path,
}

impl Place<'_> {
    /// A program there.
    pub(super) fn cmd(self, program: impl Into<OsString>) -> Cmd {
        match self.host {
            RegistryHost::Desktop => Cmd::new(program),
            RegistryHost::Wsl => Cmd::new(self.tools.join("wsl.exe")).arg("--exec").arg(program),
        }
    }

    /// Docker there.
    pub(super) fn docker(self) -> Cmd {
        match self.host {
            RegistryHost::Desktop => Cmd::new(self.tools.join("docker")),
            RegistryHost::Wsl => self.cmd("docker"),
        }
    }

    /// A file of the desktop, as it is called there.
    pub(super) fn path(self, path: &Path) -> String {
        let path = path.display().to_string();
        match self.host {
            RegistryHost::Desktop => path,
            RegistryHost::Wsl => in_wsl(&path),
        }
    }

    /// The address to listen on there: in WSL, the network of the nodes is not seen.
    pub(super) fn address(self, lab: &Lab) -> String {
        match self.host {
            RegistryHost::Desktop => lab.network.cidr.host().to_string(),
            RegistryHost::Wsl => "0.0.0.0".to_owned(),
        }
    }

    /// The ending of programs there.
    pub(super) fn program_suffix(self) -> &'static str {
        match self.host {
            RegistryHost::Desktop => std::env::consts::EXE_SUFFIX,
            RegistryHost::Wsl => "",
        }
    }

    /// WSL's own address: the first one that `hostname -I` tells there.
    pub(super) fn wsl_address(self) -> Result<Ipv4Addr, String> {
        let ask = self.cmd("hostname").arg("-I").env("WSL_UTF8", "1").timeout(LONG);
        // Old versions of wsl.exe write their own errors in UTF-16 whatever they are asked for.
        let told = Local.run_ok(&ask).map_err(|e| e.to_string().replace('\0', ""))?.text();
        let address = told.split_whitespace().find_map(|word| word.parse().ok());
        address.ok_or_else(|| format!("`{ask}` names no IPv4 address: {told:?}"))
    }

    /// What an administrator of Windows sets up so that nodes reach a registry in WSL, as `netsh` words, and what has to
    /// be known with it; nothing where it is on the desktop itself.
    pub(super) fn rules(self, lab: &Lab, wsl: &WslAddress) -> (Vec<Vec<String>>, Option<String>) {
        if self.host == RegistryHost::Desktop {
            return (Vec::new(), None);
        }
        let (address, remark) = match wsl {
            Some(Ok(address)) => (
                address.to_string(),
                "another address after every start of WSL: the port proxy is set anew then".into(),
            ),
            unknown => {
                let why = match unknown {
                    Some(Err(why)) => format!("it could not be asked: {why}"),
                    _ => "it was not asked".to_owned(),
                };
                let remark = format!("ADDRESS-OF-WSL is the first address that `wsl.exe hostname -I` prints; {why}");
                ("ADDRESS-OF-WSL".to_owned(), remark)
            }
        };
        let (host, port, cidr) = (lab.network.cidr.host(), lab.registry.port, lab.network.cidr);
        let words = |text: String| text.split(' ').map(str::to_owned).collect();
        let proxy = format!(
            "netsh interface portproxy add v4tov4 listenaddress={host} listenport={port} connectaddress={address} \
             connectport={port}"
        );
        let firewall = format!(
            "netsh advfirewall firewall add rule name=airlab-{}-registry dir=in action=allow protocol=TCP \
             localip={host} localport={port} remoteip={cidr}",
            lab.name
        );
        (vec![words(proxy), words(firewall)], Some(remark))
    }
}

/// `C:\labs\x` as WSL sees it unless told otherwise: `/mnt/c/labs/x`.
fn in_wsl(path: &str) -> String {
    let slashed = path.trim_start_matches(r"\\?\").replace('\\', "/");
    match slashed.split_once(":/") {
        Some((drive, rest)) if drive.len() == 1 => format!("/mnt/{}/{rest}", drive.to_ascii_lowercase()),
        _ => slashed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_windows_in_wsl() {
        assert_eq!(in_wsl(r"C:\labs\my lab\registry"), "/mnt/c/labs/my lab/registry");
        assert_eq!(in_wsl(r"\\?\D:\x"), "/mnt/d/x");
        assert_eq!(in_wsl("/srv/labs"), "/srv/labs");
    }
}
