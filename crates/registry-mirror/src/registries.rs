//! `registries.yaml`, with which k3s nodes pull through our registry.

use std::collections::BTreeMap;

use serde::Serialize;

/// The content of `/etc/rancher/k3s/registries.yaml` (k3s docs, "Private Registry Configuration").
///
/// Images keep their original names; every registry they can come from is mirrored by ours, and `"*"` covers the
/// rest. Certificate settings are keyed by the mirror's own `host:port`, where containerd looks them up.
///
/// ```
/// let yaml = registry_mirror::Registries {
///     endpoint: "192.168.6.1:5000".into(),
///     ca_file: "/etc/airlab/registry-ca.crt".into(),
///     mirrored: registry_mirror::Registries::USUAL.map(str::to_owned).to_vec(),
/// }.render();
/// assert!(yaml.contains("https://192.168.6.1:5000"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registries {
    /// `host:port` of our registry.
    pub endpoint: String,
    /// Path, on the node, of the CA that signed our registry's certificate.
    pub ca_file: String,
    /// Registries to mirror by name, beside `"*"`.
    pub mirrored: Vec<String>,
}

#[derive(Serialize)]
struct File<'a> {
    mirrors: BTreeMap<&'a str, Mirror>,
    configs: BTreeMap<&'a str, Config<'a>>,
}

#[derive(Serialize)]
struct Mirror {
    endpoint: Vec<String>,
}

#[derive(Serialize)]
struct Config<'a> {
    tls: Tls<'a>,
}

#[derive(Serialize)]
struct Tls<'a> {
    ca_file: &'a str,
}

impl Registries {
    /// The registries that k3s and KubeSphere name.
    pub const USUAL: [&str; 4] = ["docker.io", "quay.io", "registry.k8s.io", "ghcr.io"];

    /// The file's text.
    pub fn render(&self) -> String {
        let mirror = || Mirror { endpoint: vec![format!("https://{}", self.endpoint)] };
        let names = self.mirrored.iter().map(String::as_str).chain(["*"]);
        let file = File {
            mirrors: names.map(|name| (name, mirror())).collect(),
            configs: BTreeMap::from([(self.endpoint.as_str(), Config { tls: Tls { ca_file: &self.ca_file } })]),
        };
        serde_saphyr::to_string(&file).expect("maps of strings are always YAML")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rendered() {
        let registries = Registries {
            endpoint: "192.168.6.1:5000".into(),
            ca_file: "/etc/airlab/registry-ca.crt".into(),
            mirrored: Registries::USUAL.map(str::to_owned).to_vec(),
        };
        insta::assert_snapshot!(registries.render());
    }
}
