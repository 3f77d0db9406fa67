//! The used part of the autoinstall document of Ubuntu Server's installer (22.04).

use serde::Serialize;

use crate::seed::INSTALLED;
use crate::{CloudConfig, NetworkConfig, NodeSpec};

/// An unattended installation onto the whole first disk, without any mirror. There is no `identity` section: its
/// password would be mandatory; the user comes from the first-boot cloud-config instead.
#[derive(Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Autoinstall {
    version: u8,
    locale: String,
    keyboard: Keyboard,
    refresh_installer: RefreshInstaller,
    network: NetworkConfig,
    apt: Apt,
    storage: Storage,
    ssh: Ssh,
    late_commands: Vec<String>,
    user_data: CloudConfig,
    shutdown: &'static str,
}

#[derive(Clone, Serialize)]
struct Keyboard {
    layout: String,
}

#[derive(Clone, Serialize)]
struct RefreshInstaller {
    update: bool,
}

/// No mirror can be reached: install from the medium and do not ask the outside where we are.
#[derive(Clone, Serialize)]
struct Apt {
    fallback: &'static str,
    geoip: bool,
}

#[derive(Clone, Serialize)]
struct Storage {
    layout: Layout,
    swap: Swap,
}

#[derive(Clone, Serialize)]
struct Layout {
    name: &'static str,
}

#[derive(Clone, Serialize)]
struct Swap {
    size: u64,
}

#[derive(Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Ssh {
    install_server: bool,
    allow_pw: bool,
}

impl Autoinstall {
    /// The installation of this node. `hash` is what its markers will hold.
    pub(crate) fn of(node: &NodeSpec, hash: &str) -> Self {
        let folder = INSTALLED.rsplit_once('/').map_or("/", |(folder, _)| folder);
        Self {
            version: 1,
            locale: node.locale.clone(),
            keyboard: Keyboard { layout: node.keyboard.clone() },
            refresh_installer: RefreshInstaller { update: false },
            network: NetworkConfig::of(node),
            apt: Apt { fallback: "offline-install", geoip: false },
            storage: Storage { layout: Layout { name: "direct" }, swap: Swap { size: 0 } },
            ssh: Ssh { install_server: true, allow_pw: false },
            late_commands: vec![
                format!("curtin in-target --target=/target -- mkdir -p {folder}"),
                format!("curtin in-target --target=/target -- sh -c 'echo {hash} > {INSTALLED}'"),
            ],
            user_data: CloudConfig::of(node, hash),
            shutdown: "reboot",
        }
    }
}
