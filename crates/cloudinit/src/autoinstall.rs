//! The used part of the autoinstall document of Ubuntu Server's installer (22.04).

use serde::Serialize;

use crate::seed::INSTALLED;
use crate::{CloudConfig, GoldenSpec, NetworkConfig, NodeSpec, golden};

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
    late_commands: Vec<LateCommand>,
    user_data: FirstBoot,
    shutdown: &'static str,
}

/// A line for the installer's shell, or a program with its arguments.
#[derive(Clone, Serialize)]
#[serde(untagged)]
pub(crate) enum LateCommand {
    Line(String),
    Argv(Vec<String>),
}

/// What the installed system finds at its first boot.
#[derive(Clone, Serialize)]
#[serde(untagged)]
enum FirstBoot {
    Node(Box<CloudConfig>),
    /// Never applied; without a user-data section the installer would insist on an identity.
    Nobody {
        users: [(); 0],
    },
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
        let late_commands = vec![
            LateCommand::Line(format!("curtin in-target --target=/target -- mkdir -p {folder}")),
            LateCommand::Line(format!("curtin in-target --target=/target -- sh -c 'echo {hash} > {INSTALLED}'")),
        ];
        Self {
            late_commands,
            user_data: FirstBoot::Node(Box::new(CloudConfig::of(node, hash))),
            ..Self::base(&node.locale, &node.keyboard, NetworkConfig::of(node))
        }
    }

    /// The installation of the machine that all nodes are clones of. It ends switched off, before any first boot.
    pub(crate) fn golden(spec: &GoldenSpec, hash: &str) -> Self {
        Self {
            late_commands: golden::late_commands(spec, hash),
            shutdown: "poweroff",
            ..Self::base(&spec.locale, &spec.keyboard, NetworkConfig::none())
        }
    }

    fn base(locale: &str, keyboard: &str, network: NetworkConfig) -> Self {
        Self {
            version: 1,
            locale: locale.to_owned(),
            keyboard: Keyboard { layout: keyboard.to_owned() },
            refresh_installer: RefreshInstaller { update: false },
            network,
            apt: Apt { fallback: "offline-install", geoip: false },
            storage: Storage { layout: Layout { name: "direct" }, swap: Swap { size: 0 } },
            ssh: Ssh { install_server: true, allow_pw: false },
            late_commands: Vec::new(),
            user_data: FirstBoot::Nobody { users: [] },
            shutdown: "reboot",
        }
    }
}
