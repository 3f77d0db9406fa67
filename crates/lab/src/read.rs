//! From TOML text to a [`Lab`], collecting every mistake on the way.

mod host;
mod node;
mod registry;
mod section;
mod vm;

use std::path::{Path, PathBuf};

use section::{Reader, Section};
use toml::Spanned;
use toml::de::DeTable;

use crate::model::{Artifacts, Images, K3s, KubeSphere, Mode, Network, Provider, Versions};
use crate::{Cidr, FlawKind, Lab, LabError, keys};

impl Lab {
    /// Reads and checks a lab file.
    pub fn load(file: &Path) -> Result<Self, LabError> {
        let text =
            std::fs::read_to_string(file).map_err(|source| LabError::Unreadable { file: file.to_owned(), source })?;
        Self::parse(file, &text)
    }

    /// Checks the text of a lab file; `file` is its name for messages. All mistakes are reported at once.
    ///
    /// ```
    /// let wrong = lab::DEMO.replace("192.168.6.12", "192.168.7.12").replace("cpus = 2", "cups = 2");
    /// let error = lab::Lab::parse("airlab.toml".as_ref(), &wrong).unwrap_err();
    /// assert!(error.to_string().contains("unknown key node.cups"));
    /// assert_eq!(steps::Problem::also(&error).len(), 1);
    /// ```
    pub fn parse(file: &Path, text: &str) -> Result<Self, LabError> {
        let mut reader = Reader { file, text, flaws: Vec::new() };
        let lab = match DeTable::parse(text) {
            Ok(table) => reader.lab(&table),
            Err(error) => {
                let span = error.span().unwrap_or(0..0);
                reader.flaw(span, FlawKind::Syntax { message: error.message().to_owned() });
                None
            }
        };
        let mut flaws = reader.flaws;
        flaws.sort_by_key(|f| (f.line, f.column));
        match (lab, flaws.is_empty()) {
            (Some(lab), true) => Ok(lab),
            _ => {
                let first = flaws.remove(0);
                Err(LabError::Invalid { first, rest: flaws })
            }
        }
    }
}

impl Reader<'_> {
    fn lab(&mut self, table: &Spanned<DeTable<'_>>) -> Option<Lab> {
        let top = Section { name: "", span: 0, table: Some(table.get_ref()) };
        self.known(top, keys::TOP);
        let name = self.name(top, "name");
        let vm = self.vm(top);
        let network = self.network(top, vm.provider);
        let registry = self.registry(top, vm.provider, network.mode);
        let artifacts = self.artifacts(top);
        let section = self.section(top, "images", keys::IMAGES);
        let wanted = "\"core\", \"full\" or a file's name";
        let profile = self.parsed(section, "profile", wanted, |s| (!s.is_empty()).then(|| s.to_owned()));
        let section = self.section(top, "versions", keys::VERSIONS);
        let versions = Versions {
            ubuntu: self.text(section, "ubuntu").unwrap_or_else(|| "22.04.5".into()),
            k3s: self.text(section, "k3s").unwrap_or_else(|| "v1.33.4-rc1+k3s1".into()),
        };
        let k3s = self.k3s(top);
        let kubeconfig = self.text(top, "kubeconfig").map(PathBuf::from);
        let nodes = self.nodes(top, network.cidr);
        let kubesphere = self.kubesphere(top);
        Some(Lab {
            name: name?,
            network,
            vm,
            registry,
            artifacts: artifacts?,
            images: Images { profile },
            versions,
            k3s,
            nodes,
            kubeconfig,
            kubesphere,
        })
    }

    /// A chart asks for it, and `enabled = false` says no all the same.
    fn kubesphere(&mut self, top: Section<'_, '_>) -> Option<KubeSphere> {
        let section = self.section(top, "kubesphere", keys::KUBESPHERE);
        let value = section.table.and_then(|t| t.get("enabled"));
        let enabled = value.map(|v| (v, v.get_ref().as_bool()));
        if let Some((value, None)) = enabled {
            self.bad(section, "enabled", value, "true or false");
        }
        let chart = self.text(section, "chart").map(PathBuf::from);
        let known = ["core", "monitoring", "logging", "full"];
        let wanted = "\"core\", \"monitoring\", \"logging\" or \"full\"";
        let profile = self.parsed(section, "profile", wanted, |s| known.contains(&s).then(|| s.to_owned()));
        let museum = self.text(section, "museum");
        let enabled = enabled.and_then(|(_, word)| word);
        if enabled == Some(true) && chart.is_none() {
            self.missing(section, "chart");
        }
        let chart = chart.filter(|_| enabled != Some(false))?;
        Some(KubeSphere { chart, profile: profile.unwrap_or_else(|| "core".into()), museum })
    }

    pub(super) fn name(&mut self, section: Section<'_, '_>, key: &str) -> Option<String> {
        if section.table.is_none_or(|t| t.get(key).is_none()) {
            self.missing(section, key);
        }
        self.parsed(
            section,
            key,
            "1 to 40 lower-case letters, digits and hyphens, with a letter or digit at both ends",
            |s| {
                let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
                let ends = s.starts_with(plain) && s.ends_with(plain);
                (s.len() <= 40 && ends && s.chars().all(|c| plain(c) || c == '-')).then(|| s.to_owned())
            },
        )
    }

    fn network(&mut self, top: Section<'_, '_>, provider: Provider) -> Network {
        let section = self.section(top, "network", keys::NETWORK);
        let wanted = "a network like 192.168.6.0/24, between /16 and /29, host bits zero";
        let default = Cidr::default_lab();
        let cidr = self.parsed(section, "cidr", wanted, |s| s.parse().ok()).unwrap_or(default);
        let mode = match provider {
            Provider::Vmware => {
                self.parsed(section, "mode", "\"vmnet\" with VMware", |s| (s == "vmnet").then_some(Mode::Vmnet));
                Mode::Vmnet
            }
            Provider::Qvmrun => self
                .choice(section, "mode", &[("namespace", Mode::Namespace), ("bridge", Mode::Bridge)])
                .unwrap_or(Mode::Namespace),
        };
        Network { cidr, mode }
    }
    fn sha256(&mut self, section: Section<'_, '_>, key: &str) -> Option<String> {
        self.parsed(section, key, "a SHA-256 of 64 hexadecimal digits", |s| {
            (s.len() == 64 && s.bytes().all(|b| b.is_ascii_hexdigit())).then(|| s.to_ascii_lowercase())
        })
    }

    fn artifacts(&mut self, top: Section<'_, '_>) -> Option<Artifacts> {
        let section = self.section(top, "artifacts", keys::ARTIFACTS);
        let known = ["demo", "files", "bundle"];
        let wanted = "\"demo\", \"files\" or \"bundle\"";
        let source = self.parsed(section, "source", wanted, |s| known.into_iter().find(|k| *k == s));
        if source == Some("demo") {
            return Some(Artifacts::Demo);
        }
        let mut file = |key: &str| {
            let path = self.text(section, key).map(PathBuf::from);
            if path.is_none() && section.table.is_none_or(|t| t.get(key).is_none()) {
                self.missing(section, key);
            }
            path
        };
        if source == Some("bundle") {
            let (bundle, trust) = (file("bundle"), file("trust"));
            return Some(Artifacts::Bundle { bundle: bundle?, trust: trust? });
        }
        let (iso, k3s, airgap) = (file("iso"), file("k3s"), file("airgap"));
        let images = self.text(section, "images").map(PathBuf::from);
        let lock = self.text(section, "lock").map(PathBuf::from);
        let iso_sha256 = self.sha256(section, "iso_sha256");
        let k3s_sha256 = self.sha256(section, "k3s_sha256");
        let airgap_sha256 = self.sha256(section, "airgap_sha256");
        Some(Artifacts::Files {
            iso: iso?,
            iso_sha256,
            k3s: k3s?,
            k3s_sha256,
            airgap: airgap?,
            airgap_sha256,
            images,
            lock,
        })
    }

    fn k3s(&mut self, top: Section<'_, '_>) -> K3s {
        let section = self.section(top, "k3s", keys::K3S);
        let disable = self.texts(section, "disable");
        if disable.iter().any(|name| !K3s::COMPONENTS.contains(&name.as_str()))
            && let Some(value) = section.table.and_then(|t| t.get("disable"))
        {
            self.bad(section, "disable", value, &format!("a list of some of {}", K3s::COMPONENTS.join(", ")));
        }
        let wanted = "five fields of cron, such as \"0 */12 * * *\"";
        let schedule = self.parsed(section, "snapshot_schedule", wanted, |s| {
            let plain = |c: char| c.is_ascii_alphanumeric() || "*/,- ".contains(c);
            (s.split_whitespace().count() == 5 && s.chars().all(plain)).then(|| s.to_owned())
        });
        let retention = self.number(section, "snapshot_retention", 1..=1000, 5);
        K3s {
            disable,
            snapshot_schedule: schedule.unwrap_or_else(|| "0 */12 * * *".into()),
            snapshot_retention: u32::try_from(retention).unwrap_or(5),
        }
    }
}
