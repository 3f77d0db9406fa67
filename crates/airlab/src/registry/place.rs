//! Where the registry's programs run: on the desktop itself, or in its WSL.

use std::ffi::OsString;
use std::path::Path;

use lab::{Lab, RegistryHost};
use machine::Cmd;

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

    /// What an administrator of Windows sets up so that nodes reach a registry in WSL; nothing where it is on the
    /// desktop itself. WSL's address, as `wsl.exe hostname -I` tells it, is another one after every start of WSL.
    pub(super) fn rules(self, lab: &Lab) -> Vec<Vec<String>> {
        if self.host == RegistryHost::Desktop {
            return Vec::new();
        }
        let (host, port, cidr) = (lab.network.cidr.host(), lab.registry.port, lab.network.cidr);
        let words = |text: String| text.split(' ').map(str::to_owned).collect();
        let proxy = format!(
            "netsh interface portproxy add v4tov4 listenaddress={host} listenport={port} \
             connectaddress=ADDRESS-OF-WSL connectport={port}"
        );
        let firewall = format!(
            "netsh advfirewall firewall add rule name=airlab-{}-registry dir=in action=allow protocol=TCP \
             localip={host} localport={port} remoteip={cidr}",
            lab.name
        );
        vec![words(proxy), words(firewall)]
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
