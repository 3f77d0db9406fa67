//! The cloud-config that the installed system applies at its first boot.

use secrecy::ExposeSecret;
use serde::Serialize;

use crate::seed::{READY, SEED_HASH};
use crate::{NodeFile, NodeSpec, hardening};

/// The part of cloud-init's configuration that we use. It holds the host's private key, so it has no `Debug`.
#[derive(Clone, Serialize)]
pub struct CloudConfig {
    hostname: String,
    preserve_hostname: bool,
    manage_etc_hosts: bool,
    timezone: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    locale: Option<String>,
    users: Vec<User>,
    disable_root: bool,
    ssh_pwauth: bool,
    ssh_deletekeys: bool,
    ssh_keys: SshKeys,
    ssh: SshConsole,
    #[serde(skip_serializing_if = "Option::is_none")]
    ca_certs: Option<CaCerts>,
    ntp: Ntp,
    package_update: bool,
    package_upgrade: bool,
    bootcmd: Vec<Vec<String>>,
    write_files: Vec<WriteFile>,
    runcmd: Vec<Vec<String>>,
}

#[derive(Clone, Serialize)]
struct User {
    name: String,
    gecos: String,
    shell: String,
    groups: Vec<String>,
    lock_passwd: bool,
    sudo: String,
    ssh_authorized_keys: Vec<String>,
}

#[derive(Clone, Serialize)]
struct SshKeys {
    ed25519_private: String,
    ed25519_public: String,
}

#[derive(Clone, Serialize)]
struct SshConsole {
    emit_keys_to_console: bool,
}

#[derive(Clone, Serialize)]
struct CaCerts {
    trusted: Vec<String>,
}

/// Off: an empty list of servers would quietly mean a public pool.
#[derive(Clone, Serialize)]
struct Ntp {
    enabled: bool,
}

#[derive(Clone, Serialize)]
struct WriteFile {
    path: String,
    owner: String,
    permissions: String,
    content: String,
}

impl From<NodeFile> for WriteFile {
    fn from(f: NodeFile) -> Self {
        Self { path: f.path, owner: "root:root".into(), permissions: format!("{:04o}", f.mode), content: f.content }
    }
}

/// cloud-init notes that it has done a thing before it does it. On a first boot that lost its power in between the thing
/// is then never done: a boot that finds no ready marker forgets the notes, so that all is done again.
const FORGET: &str = "rm -f /var/lib/cloud/instance/sem/*";

fn words(command: &[&str]) -> Vec<String> {
    command.iter().map(|w| (*w).to_owned()).collect()
}

impl CloudConfig {
    /// The first boot of this node. `hash` is what its ready marker will hold.
    pub(crate) fn of(node: &NodeSpec, hash: &str) -> Self {
        let mark = NodeFile::new(SEED_HASH, format!("{hash}\n"), 0o644);
        let files = hardening::files().into_iter().chain(node.files.iter().cloned()).chain([mark]);
        let mut runcmd = vec![
            words(&["systemctl", "mask", "--now", "systemd-timesyncd.service"]),
            words(&["systemctl", "daemon-reload"]),
            words(&["systemctl", "restart", "systemd-sysctl.service"]),
        ];
        runcmd.extend(node.units.iter().map(|unit| words(&["systemctl", "enable", "--now", unit])));
        // Last: whoever sees the marker knows that all before it has been tried.
        runcmd.push(words(&["install", "-D", "-m", "0644", SEED_HASH, READY]));
        Self { write_files: files.map(WriteFile::from).collect(), runcmd, ..Self::base(node) }
    }

    /// The first boot of a clone: what makes it this node and no other. The rest came with the machine it was cloned
    /// from ([`crate::golden()`]).
    pub(crate) fn of_clone(node: &NodeSpec, hash: &str) -> Self {
        let mark = NodeFile::new(SEED_HASH, format!("{hash}\n"), 0o644);
        let start = ["systemctl", "start"].into_iter().chain(node.units.iter().map(String::as_str));
        let mut runcmd = vec![words(&start.collect::<Vec<_>>())];
        runcmd.retain(|_| !node.units.is_empty());
        // Later boots find no seed: the CD drives are empty then. cloud-init would take that for a new machine, with new
        // host keys. Ubuntu's own installer ends a first boot the same way.
        runcmd.push(words(&["touch", "/etc/cloud/cloud-init.disabled"]));
        runcmd.push(words(&["install", "-D", "-m", "0644", SEED_HASH, READY]));
        // The locale is a matter of cloud-init's even where the installer was told.
        Self {
            locale: Some(node.locale.clone()),
            ca_certs: None,
            write_files: vec![mark.into()],
            runcmd,
            ..Self::base(node)
        }
    }

    fn base(node: &NodeSpec) -> Self {
        Self {
            hostname: node.hostname.clone(),
            preserve_hostname: false,
            manage_etc_hosts: true,
            timezone: node.timezone.clone(),
            locale: None,
            users: vec![User {
                name: node.user.clone(),
                gecos: "airlab".into(),
                shell: "/bin/bash".into(),
                groups: words(&["adm", "sudo"]),
                lock_passwd: true,
                sudo: "ALL=(ALL) NOPASSWD:ALL".into(),
                ssh_authorized_keys: node.authorized_keys.clone(),
            }],
            disable_root: true,
            ssh_pwauth: false,
            // The image's own host keys go; given `ssh_keys`, cloud-init makes none of its own.
            ssh_deletekeys: true,
            ssh_keys: SshKeys {
                ed25519_private: node.host_key_private.expose_secret().to_owned(),
                ed25519_public: node.host_key_public.clone(),
            },
            ssh: SshConsole { emit_keys_to_console: false },
            ca_certs: (!node.trusted_cas.is_empty()).then(|| CaCerts { trusted: node.trusted_cas.clone() }),
            ntp: Ntp { enabled: false },
            package_update: false,
            package_upgrade: false,
            bootcmd: vec![words(&["sh", "-c", &format!("[ -e {READY} ] || {FORGET}")])],
            write_files: Vec::new(),
            runcmd: Vec::new(),
        }
    }
}
