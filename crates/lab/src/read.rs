//! From TOML text to a [`Lab`], collecting every mistake on the way.

mod host;
mod registry;

use std::collections::{BTreeMap, HashMap};
use std::net::Ipv4Addr;
use std::ops::{Range, RangeInclusive};
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::model::{
    Artifacts, Create, DiskFormat, Firmware, Images, K3s, KubeSphere, Mode, Network, Node, Provider, Role, Versions, Vm,
};
use crate::{Cidr, Flaw, FlawKind, Lab, LabError, keys};

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

struct Reader<'a> {
    file: &'a Path,
    text: &'a str,
    flaws: Vec<Flaw>,
}

/// One table of the file with its name for messages.
#[derive(Clone, Copy)]
struct Section<'t, 'a> {
    name: &'static str,
    span: usize,
    table: Option<&'t DeTable<'a>>,
}

impl Section<'_, '_> {
    fn key(&self, key: &str) -> String {
        if self.name.is_empty() { key.to_owned() } else { format!("{}.{key}", self.name) }
    }
}

impl Reader<'_> {
    fn flaw(&mut self, span: Range<usize>, kind: FlawKind) {
        let before = &self.text[..span.start.min(self.text.len())];
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        self.flaws.push(Flaw { file: self.file.to_owned(), line, column, kind });
    }

    fn bad(&mut self, section: Section<'_, '_>, key: &str, value: &Spanned<DeValue<'_>>, wanted: &str) {
        let found = self.text.get(value.span()).unwrap_or_default().trim().to_owned();
        self.flaw(value.span(), FlawKind::BadValue { key: section.key(key), found, wanted: wanted.to_owned() });
    }

    fn missing(&mut self, section: Section<'_, '_>, key: &str) {
        self.flaw(section.span..section.span, FlawKind::Missing { key: section.key(key) });
    }

    /// Complains about keys that are not in `known`.
    fn known(&mut self, section: Section<'_, '_>, known: &[&str]) {
        for key in section.table.into_iter().flat_map(|t| t.keys()) {
            let name: &str = key.get_ref();
            if !known.contains(&name) {
                let meant = keys::closest(name, known).map(|k| section.key(&k));
                self.flaw(key.span(), FlawKind::UnknownKey { key: section.key(name), meant });
            }
        }
    }

    fn section<'t, 'a>(&mut self, top: Section<'t, 'a>, name: &'static str, known: &[&str]) -> Section<'t, 'a> {
        let mut section = Section { name, span: 0, table: None };
        if let Some(value) = top.table.and_then(|t| t.get(name)) {
            section.span = value.span().start;
            match value.get_ref() {
                DeValue::Table(table) => section.table = Some(table),
                _ => self.bad(top, name, value, "a table"),
            }
        }
        self.known(section, known);
        section
    }

    fn text(&mut self, section: Section<'_, '_>, key: &str) -> Option<String> {
        let value = section.table?.get(key)?;
        match value.get_ref() {
            DeValue::String(s) => Some(s.to_string()),
            _ => {
                self.bad(section, key, value, "a text in quotes");
                None
            }
        }
    }

    /// A text that `parse` must accept; `wanted` says what that is.
    fn parsed<T>(
        &mut self,
        section: Section<'_, '_>,
        key: &str,
        wanted: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Option<T> {
        let text = self.text(section, key)?;
        let parsed = parse(&text);
        if parsed.is_none()
            && let Some(value) = section.table.and_then(|t| t.get(key))
        {
            self.bad(section, key, value, wanted);
        }
        parsed
    }

    fn number(&mut self, section: Section<'_, '_>, key: &str, range: RangeInclusive<u64>, default: u64) -> u64 {
        let Some(value) = section.table.and_then(|t| t.get(key)) else { return default };
        let number = match value.get_ref() {
            DeValue::Integer(i) => u64::from_str_radix(i.as_str(), i.radix()).ok().filter(|n| range.contains(n)),
            _ => None,
        };
        number.unwrap_or_else(|| {
            self.bad(section, key, value, &format!("a whole number from {} to {}", range.start(), range.end()));
            default
        })
    }

    fn texts(&mut self, section: Section<'_, '_>, key: &str) -> Vec<String> {
        let Some(value) = section.table.and_then(|t| t.get(key)) else { return Vec::new() };
        let items: Option<Vec<String>> = match value.get_ref() {
            DeValue::Array(items) => items.iter().map(|i| i.get_ref().as_str().map(str::to_owned)).collect(),
            _ => None,
        };
        items.unwrap_or_else(|| {
            self.bad(section, key, value, "a list of texts");
            Vec::new()
        })
    }

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

    fn name(&mut self, section: Section<'_, '_>, key: &str) -> Option<String> {
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
                .parsed(section, "mode", "\"namespace\" or \"bridge\"", |s| match s {
                    "namespace" => Some(Mode::Namespace),
                    "bridge" => Some(Mode::Bridge),
                    _ => None,
                })
                .unwrap_or(Mode::Namespace),
        };
        Network { cidr, mode }
    }

    fn vm(&mut self, top: Section<'_, '_>) -> Vm {
        let section = self.section(top, "vm", keys::VM);
        let provider = self.parsed(section, "provider", "\"vmware\" or \"qvmrun\"", |s| match s {
            "vmware" => Some(Provider::Vmware),
            "qvmrun" => Some(Provider::Qvmrun),
            _ => None,
        });
        let disk_format = self.parsed(section, "disk_format", "\"sparse\" or \"flat\"", |s| match s {
            "sparse" => Some(DiskFormat::Sparse),
            "flat" => Some(DiskFormat::Flat),
            _ => None,
        });
        let firmware = self.parsed(section, "firmware", "\"bios\" or \"efi\"", |s| match s {
            "bios" => Some(Firmware::Bios),
            "efi" => Some(Firmware::Efi),
            _ => None,
        });
        let create = self.parsed(section, "create", "\"install\" or \"clone\"", |s| match s {
            "install" => Some(Create::Install),
            "clone" => Some(Create::Clone),
            _ => None,
        });
        let folder = self.parsed(section, "folder", "an ASCII path without spaces or control characters", |s| {
            (!s.is_empty() && s.bytes().all(|b| b.is_ascii_graphic())).then(|| s.to_owned())
        });
        Vm {
            provider: provider.unwrap_or(Provider::Vmware),
            program: self.text(section, "program").map(PathBuf::from),
            folder,
            disk_gib: self.number(section, "disk_gib", 4..=8192, 40),
            disk_format: disk_format.unwrap_or(DiskFormat::Sparse),
            firmware: firmware.unwrap_or(Firmware::Efi),
            create: create.unwrap_or(Create::Install),
            hardware: u32::try_from(self.number(section, "hardware", 19..=22, 19)).unwrap_or(19),
            parallel: usize::try_from(self.number(section, "parallel", 1..=64, 4)).unwrap_or(4),
            vmx: self.vmx(section),
        }
    }

    /// The table of further .vmx keys: names as they stand there, values as texts of one line.
    fn vmx(&mut self, vm: Section<'_, '_>) -> BTreeMap<String, String> {
        let mut keys = BTreeMap::new();
        let Some(value) = vm.table.and_then(|t| t.get("vmx")) else { return keys };
        let DeValue::Table(table) = value.get_ref() else {
            self.bad(vm, "vmx", value, "a table: write [vm.vmx]");
            return keys;
        };
        let section = Section { name: "vm.vmx", span: value.span().start, table: Some(table) };
        for (name, value) in table.iter() {
            let name: &str = name.get_ref();
            let plain = |c: char| c.is_ascii_alphanumeric() || ".:_-".contains(c);
            let text = value.get_ref().as_str().filter(|t| t.chars().all(|c| c != '"' && !c.is_control()));
            match text {
                None if matches!(value.get_ref(), DeValue::Table(_)) => {
                    self.bad(section, name, value, "a text; a key with dots stands in quotes");
                }
                None => self.bad(section, name, value, "a text of one line without quotation marks"),
                Some(_) if name.is_empty() || !name.chars().all(plain) => {
                    self.bad(section, name, value, "the value of a .vmx key (letters, digits, dots)");
                }
                Some(_) if keys::own_vmx_key(name) => {
                    self.bad(section, name, value, "a key to set here: airlab writes it itself");
                }
                Some(text) => {
                    keys.insert(name.to_owned(), text.to_owned());
                }
            }
        }
        keys
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

    fn nodes(&mut self, top: Section<'_, '_>, cidr: Cidr) -> Vec<Node> {
        let mut nodes = Vec::new();
        let mut seen = HashMap::new();
        let list = top.table.and_then(|t| t.get("node"));
        match list.map(|v| (v, v.get_ref())) {
            None => self.missing(top, "node"),
            Some((_, DeValue::Array(items))) => {
                for item in items.iter() {
                    let DeValue::Table(table) = item.get_ref() else {
                        self.bad(top, "node", item, "a table: write [[node]]");
                        continue;
                    };
                    let section = Section { name: "node", span: item.span().start, table: Some(table) };
                    self.known(section, keys::NODE);
                    nodes.extend(self.node(section, cidr, &mut seen));
                }
                let servers = nodes.iter().filter(|n: &&Node| n.role == Role::Server).count();
                if servers % 2 == 0 && self.flaws.is_empty() {
                    let at = list.map_or(0, |v| v.span().start);
                    self.flaw(at..at, FlawKind::Servers { servers });
                }
            }
            Some((value, _)) => self.bad(top, "node", value, "a list of tables: write [[node]]"),
        }
        nodes
    }

    fn node(&mut self, section: Section<'_, '_>, cidr: Cidr, seen: &mut HashMap<String, &'static str>) -> Option<Node> {
        let name = self.name(section, "name");
        if section.table.is_some_and(|t| t.get("address").is_none()) {
            self.missing(section, "address");
        }
        let address: Option<Ipv4Addr> = self.parsed(section, "address", "an IPv4 address", |s| s.parse().ok());
        let role = self.parsed(section, "role", "\"server\" or \"agent\"", |s| match s {
            "server" => Some(Role::Server),
            "agent" => Some(Role::Agent),
            _ => None,
        });
        let span = |key: &str| {
            section
                .table
                .and_then(|t| t.get(key))
                .map_or(section.span..section.span, |v: &Spanned<DeValue<'_>>| v.span())
        };
        for (what, value) in [("name", name.clone()), ("address", address.map(|a| a.to_string()))] {
            if let Some(value) = value
                && seen.insert(format!("{what} {value}"), what).is_some()
            {
                self.flaw(span(what), FlawKind::Twice { what, value });
            }
        }
        let there = Self::is_host(section);
        let host = self.host(section);
        // an existing host may be anywhere, but not in the place of another
        let misplaced = |a: &Ipv4Addr| !cidr.usable(*a) && (!there || cidr.contains(*a));
        if let Some(address) = address.filter(misplaced) {
            let node = name.clone().unwrap_or_default();
            let kind = FlawKind::AddressOutside { node, address: address.to_string(), network: cidr.to_string() };
            self.flaw(span("address"), kind);
        }
        let memory = self.number(section, "memory_mib", 512..=1_048_576, 2048);
        if !memory.is_multiple_of(4)
            && let Some(value) = section.table.and_then(|t| t.get("memory_mib"))
        {
            self.bad(section, "memory_mib", value, "a multiple of 4, as VMware wants it");
        }
        let mac = self.parsed(section, "mac", "a MAC address from 00:50:56:00:00:00 to 00:50:56:3f:ff:ff", static_mac);
        let cpus = self.number(section, "cpus", 1..=64, 2);
        let labels = self.texts(section, "labels");
        let taints = self.texts(section, "taints");
        let address = address?;
        Some(Node {
            name: name?,
            role: role.unwrap_or(Role::Agent),
            address,
            cpus: u32::try_from(cpus).unwrap_or(2),
            memory_mib: u32::try_from(memory).unwrap_or(2048),
            mac: mac.unwrap_or_else(|| Node::mac_for(address)),
            labels,
            taints,
            host,
        })
    }
}

/// A MAC address in the range VMware lets people assign, in lower case.
fn static_mac(text: &str) -> Option<String> {
    let lower = text.to_ascii_lowercase();
    let bytes: Option<Vec<u8>> =
        lower.split(':').map(|b| (b.len() == 2).then(|| u8::from_str_radix(b, 16).ok()).flatten()).collect();
    bytes.filter(|b| b.len() == 6 && b[..3] == [0x00, 0x50, 0x56] && b[3] <= 0x3f).map(|_| lower)
}
