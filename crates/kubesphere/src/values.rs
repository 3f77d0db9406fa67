//! The values of the `ks-core` chart, as far as they are ours to say.

use serde::Serialize;

use crate::{CONSOLE_PORT, KubeSphereError};

/// What the chart is told. `global.imageRegistry` is not among it and never will be: images keep their names, and the
/// nodes' `registries.yaml` leads to the lab's registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Values {
    /// The address of a server, under which people reach the console; it is in every token too.
    pub host: String,
    /// bcrypt of the administrator's password.
    pub admin_hash: String,
    /// Whether the repository of extensions is installed, and the tag of its image where the chart's own is not wanted.
    pub extensions: Option<Option<String>>,
}

#[derive(Serialize)]
struct Rendered<'a> {
    portal: Portal<'a>,
    console: Port,
    authentication: Authentication<'a>,
    telemetry: Enabled,
    ha: Enabled,
    #[serde(rename = "ksExtensionRepository")]
    repository: Repository<'a>,
}

#[derive(Serialize)]
struct Portal<'a> {
    hostname: &'a str,
    http: PortOf,
}

#[derive(Serialize)]
struct PortOf {
    port: u16,
}

#[derive(Serialize)]
struct Port {
    #[serde(rename = "nodePort")]
    node_port: u16,
}

#[derive(Serialize)]
struct Authentication<'a> {
    #[serde(rename = "adminPassword")]
    admin_password: &'a str,
}

#[derive(Serialize)]
struct Enabled {
    enabled: bool,
}

#[derive(Serialize)]
struct Repository<'a> {
    enabled: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    image: Option<Tag<'a>>,
}

#[derive(Serialize)]
struct Tag<'a> {
    tag: &'a str,
}

impl Values {
    /// The YAML for `valuesContent`.
    pub fn render(&self) -> Result<String, KubeSphereError> {
        let tag = self.extensions.as_ref().and_then(|tag| tag.as_deref());
        let rendered = Rendered {
            portal: Portal { hostname: &self.host, http: PortOf { port: CONSOLE_PORT } },
            console: Port { node_port: CONSOLE_PORT },
            authentication: Authentication { admin_password: &self.admin_hash },
            telemetry: Enabled { enabled: false },
            ha: Enabled { enabled: false },
            repository: Repository { enabled: self.extensions.is_some(), image: tag.map(|tag| Tag { tag }) },
        };
        serde_saphyr::to_string(&rendered).map_err(|e| KubeSphereError::Made { what: format!("values: {e}") })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_what_the_chart_reads() {
        let mut values =
            Values { host: "192.168.6.10".into(), admin_hash: "$2b$10$abc".into(), extensions: Some(None) };
        insta::assert_snapshot!("values", values.render().unwrap());
        values.extensions = Some(Some("v1.1.6".into()));
        insta::assert_snapshot!("values_with_a_museum", values.render().unwrap());
        values.extensions = None;
        assert!(values.render().unwrap().contains("ksExtensionRepository:\n  enabled: false\n"));
    }

    #[test]
    fn a_value_cannot_become_yaml_of_its_own() {
        let values = Values { host: "a: b\nglobal: {}".into(), admin_hash: "'\"".into(), extensions: None };
        let read: serde_json::Value = serde_saphyr::from_str(&values.render().unwrap()).unwrap();
        assert_eq!(read["portal"]["hostname"], "a: b\nglobal: {}");
        assert!(read.get("global").is_none());
    }
}
