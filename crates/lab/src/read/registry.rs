//! The section `[registry]`.

use std::path::PathBuf;

use super::{Reader, Section};
use crate::keys;
use crate::model::{Mode, Provider, Registry, RegistryHost, RegistryKind};

impl Reader<'_> {
    pub(super) fn registry(&mut self, top: Section<'_, '_>, provider: Provider, mode: Mode) -> Registry {
        let section = self.section(top, "registry", keys::REGISTRY);
        let port = u16::try_from(self.number(section, "port", 1..=65535, 5000)).unwrap_or(5000);
        let outside = mode != Mode::Namespace;
        let wanted = if outside {
            "\"embedded\", \"docker\" or \"external\""
        } else {
            "\"embedded\": nothing else is reached from the network namespace of the nodes"
        };
        let kind = self.parsed(section, "kind", wanted, |s| {
            let known = ["embedded", "docker", "external"].into_iter().find(|known| *known == s);
            known.filter(|kind| outside || *kind == "embedded")
        });
        let external = kind == Some("external");
        let given = |key: &str| section.table.and_then(|t| t.get(key));
        let other = if external { &["host", "port"][..] } else { &["address", "ca", "credentials"] };
        for key in other {
            if let Some(value) = given(key) {
                let kind = if external { "an external registry" } else { "a registry of the lab's own" };
                self.bad(section, key, value, &format!("a value that {kind} has: leave the key out"));
            }
        }
        if external {
            let address = self.parsed(section, "address", "host or host:port", |s| {
                let (host, port) = s.rsplit_once(':').unwrap_or((s, "443"));
                let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'.' || b == b'-';
                (!host.is_empty() && host.bytes().all(plain) && port.parse::<u16>().is_ok()).then(|| s.to_owned())
            });
            if given("address").is_none() {
                self.missing(section, "address");
            }
            let (ca, credentials) = (self.text(section, "ca"), self.text(section, "credentials"));
            let (ca, credentials) = (ca.map(PathBuf::from), credentials.map(PathBuf::from));
            let kind = RegistryKind::External { address: address.unwrap_or_default(), ca, credentials };
            return Registry { port, kind };
        }
        let wanted = "\"desktop\", or \"wsl\" with VMware";
        let host = self.parsed(section, "host", wanted, |s| match s {
            "desktop" => Some(RegistryHost::Desktop),
            "wsl" if provider == Provider::Vmware => Some(RegistryHost::Wsl),
            _ => None,
        });
        let host = host.unwrap_or(RegistryHost::Desktop);
        let kind = if kind == Some("docker") { RegistryKind::Docker { host } } else { RegistryKind::Embedded { host } };
        Registry { port, kind }
    }
}
