//! `registries.yaml`, with which k3s nodes pull through our registry.

use std::collections::BTreeMap;

use secrecy::ExposeSecret;
use serde::Serialize;

use crate::BasicLogin;

/// The content of `/etc/rancher/k3s/registries.yaml` (k3s docs, "Private Registry Configuration").
///
/// Images keep their original names; every registry they can come from is mirrored by ours, and `"*"` covers the
/// rest. Certificate settings are keyed by the mirror's own `host:port`, where containerd looks them up.
///
/// ```
/// let yaml = registry_mirror::Registries {
///     endpoint: "192.168.6.1:5000".into(),
///     ca_file: "/etc/airlab/registry-ca.crt".into(),
///     login: None,
///     mirrored: registry_mirror::Registries::USUAL.map(str::to_owned).to_vec(),
/// }.render();
/// assert!(yaml.contains("https://192.168.6.1:5000"));
/// ```
#[derive(Debug, Clone)]
pub struct Registries {
    /// `host:port` of our registry.
    pub endpoint: String,
    /// Path, on the node, of the CA that signed our registry's certificate.
    pub ca_file: String,
    /// What nodes show it, where it asks. Then the text holds a password and belongs to root alone.
    pub login: Option<BasicLogin>,
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
    #[serde(skip_serializing_if = "Option::is_none")]
    auth: Option<Auth<'a>>,
    tls: Tls<'a>,
}

#[derive(Serialize)]
struct Auth<'a> {
    username: &'a str,
    password: &'a str,
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
        let login = self.login.as_ref();
        let auth = login.map(|l| Auth { username: &l.user, password: l.password.expose_secret() });
        let config = Config { auth, tls: Tls { ca_file: &self.ca_file } };
        let file = File {
            mirrors: names.map(|name| (name, mirror())).collect(),
            configs: BTreeMap::from([(self.endpoint.as_str(), config)]),
        };
        serde_saphyr::to_string(&file).expect("maps of strings are always YAML")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn registries(login: Option<(&str, &str)>) -> Registries {
        Registries {
            endpoint: "192.168.6.1:5000".into(),
            ca_file: "/etc/airlab/registry-ca.crt".into(),
            login: login.map(|(user, password)| BasicLogin { user: user.into(), password: password.into() }),
            mirrored: Registries::USUAL.map(str::to_owned).to_vec(),
        }
    }

    #[test]
    fn rendered() {
        insta::assert_snapshot!(registries(None).render());
    }

    #[test]
    fn rendered_with_a_login() {
        let with = registries(Some(("anna", "0123")));
        assert!(!format!("{with:?}").contains("0123"), "{with:?}");
        insta::assert_snapshot!(with.render());
    }

    #[test]
    fn every_password_comes_back_as_it_was() {
        for password in ["yes", "~", "1e3", "a: b #c", "\"'\\n", "tab\there", " leading", "- x", "*", "ä\u{1F600}"] {
            let text = registries(Some(("123", password))).render();
            let read: serde_json::Value = serde_saphyr::from_str(&text).unwrap();
            let auth = &read["configs"]["192.168.6.1:5000"]["auth"];
            assert_eq!(*auth, serde_json::json!({"username": "123", "password": password}), "{text}");
        }
    }
}
