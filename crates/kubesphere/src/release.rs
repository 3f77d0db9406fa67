//! What k3s's Helm controller is given, and what Helm says it did.

use std::io::Read;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::read::GzDecoder;
use kubeapi::DynamicObject;
use serde_json::{Value, json};

use crate::{Chart, KubeSphereError, NAMESPACE, Values};

/// Where HelmCharts live: k3s's own folder of them.
pub(crate) const CHARTS: &str = "kube-system";
/// Where k3s serves charts from that are too large for an object.
const STATIC: &str = "/var/lib/rancher/k3s/server/static/charts";

/// How the chart gets into the cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delivery {
    /// Inside the HelmChart object.
    Content,
    /// As a file on every server, which k3s serves: the path it must have there before the object is applied.
    Static {
        /// The file on a server.
        path: String,
    },
}

impl Delivery {
    /// How this chart has to be delivered.
    pub fn of(chart: &Chart) -> Self {
        if chart.fits_content() {
            Self::Content
        } else {
            Self::Static { path: format!("{STATIC}/{}", chart.file_name()) }
        }
    }
}

/// The HelmChart of the core. A release that failed is not taken away with its data: `failurePolicy: abort`.
pub(crate) fn helm_chart(chart: &Chart, values: &Values) -> Result<Value, KubeSphereError> {
    let mut spec = json!({
        "targetNamespace": NAMESPACE,
        "createNamespace": true,
        "failurePolicy": "abort",
        "timeout": "15m",
        "valuesContent": values.render()?,
    });
    match Delivery::of(chart) {
        Delivery::Content => spec["chartContent"] = STANDARD.encode(chart.bytes()).into(),
        Delivery::Static { .. } => {
            spec["chart"] = format!("https://%{{KUBERNETES_API}}%/static/charts/{}", chart.file_name()).into();
        }
    }
    Ok(json!({
        "apiVersion": "helm.cattle.io/v1",
        "kind": "HelmChart",
        "metadata": {"name": Chart::NAME, "namespace": CHARTS},
        "spec": spec,
    }))
}

/// A release as Helm wrote it down.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Release {
    /// 1 for the first install; every upgrade counts up.
    pub revision: u64,
    /// `deployed`, `pending-install`, `failed`, ...
    pub status: String,
    /// What Helm says about it, such as why it failed.
    pub description: String,
    /// The chart's version.
    pub chart_version: String,
    /// The values it was installed with. They hold the hash of a password.
    #[serde(skip)]
    pub(crate) values: Value,
}

impl Release {
    /// The newest release of the core among the Secrets of its namespace.
    pub fn newest(secrets: &[DynamicObject]) -> Option<Self> {
        Self::newest_of(Chart::NAME, secrets)
    }

    /// The newest release of this name.
    pub(crate) fn newest_of(name: &str, secrets: &[DynamicObject]) -> Option<Self> {
        let prefix = format!("sh.helm.release.v1.{name}.v");
        let ours = secrets.iter().filter_map(|secret| {
            let revision = secret.metadata.name.as_deref()?.strip_prefix(&prefix)?.parse::<u64>().ok()?;
            Some((revision, secret))
        });
        let (revision, secret) = ours.max_by_key(|(revision, _)| *revision)?;
        let read = secret.data["data"]["release"].as_str().and_then(|text| unpack(text).ok());
        let release = read.unwrap_or_default();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let label = secret.metadata.labels.as_ref().and_then(|l| l.get("status").cloned());
        Some(Self {
            revision,
            status: label.unwrap_or_else(|| text(&release["info"]["status"])),
            description: text(&release["info"]["description"]),
            chart_version: text(&release["chart"]["metadata"]["version"]),
            values: release["config"].clone(),
        })
    }

    /// What this release lacks to be the chart with the values that are wanted, done; none when it lacks nothing. More
    /// values than ours are somebody's `HelmChartConfig`.
    pub(crate) fn lacks(&self, chart: &Chart, values: &Values) -> Result<Option<String>, KubeSphereError> {
        let wanted: Value = serde_saphyr::from_str(&values.render()?)
            .map_err(|e| KubeSphereError::Made { what: format!("values: {e}") })?;
        let what = if self.status != "deployed" {
            format!("{} {}", self.status, self.description)
        } else if self.chart_version != chart.version {
            format!("chart {}", self.chart_version)
        } else {
            // a value may be the hash of a password: only where it is may be said
            let Some(path) = difference(&wanted, &self.values) else { return Ok(None) };
            format!("another value at {path}")
        };
        Ok(Some(format!("revision {}: {what}", self.revision)))
    }
}

/// The path of the first wanted value that is not there.
fn difference(wanted: &Value, there: &Value) -> Option<String> {
    let Value::Object(wanted) = wanted else { return (wanted != there).then(String::new) };
    wanted.iter().find_map(|(key, value)| {
        let deeper = difference(value, &there[key])?;
        Some(if deeper.is_empty() { key.clone() } else { format!("{key}.{deeper}") })
    })
}

/// Helm's own form: JSON, gzip, base64, inside the Secret's base64.
fn unpack(data: &str) -> Result<Value, Box<dyn std::error::Error>> {
    let packed = STANDARD.decode(STANDARD.decode(data)?)?;
    let mut text = String::new();
    if packed.starts_with(&[0x1f, 0x8b]) {
        GzDecoder::new(packed.as_slice()).take(64 << 20).read_to_string(&mut text)?;
    } else {
        text = String::from_utf8(packed)?;
    }
    Ok(serde_json::from_str(&text)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chart::tests::{chart, pack};
    use std::io::Write;

    fn values() -> Values {
        Values { host: "192.168.6.10".into(), admin_hash: "$2b$10$abc".into(), extensions: None }
    }

    fn secret(revision: u64, status: &str, values: &Value) -> DynamicObject {
        let release = json!({"name": "ks-core", "info": {"status": status, "description": "Install complete"},
            "chart": {"metadata": {"version": "1.1.4"}}, "config": values});
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(release.to_string().as_bytes()).unwrap();
        let data = STANDARD.encode(STANDARD.encode(gzip.finish().unwrap()));
        serde_json::from_value(json!({"metadata": {"name": format!("sh.helm.release.v1.ks-core.v{revision}"),
            "labels": {"status": status}}, "data": {"release": data}}))
        .unwrap()
    }

    #[test]
    fn the_object_holds_the_chart() {
        let object = helm_chart(&chart(), &values()).unwrap();
        let content = object["spec"]["chartContent"].as_str().unwrap();
        assert_eq!(STANDARD.decode(content).unwrap(), chart().bytes());
        let mut shown = object.clone();
        shown["spec"]["chartContent"] = "...".into();
        insta::assert_snapshot!("helm_chart", serde_json::to_string_pretty(&shown).unwrap());
    }

    #[test]
    fn a_chart_too_large_for_an_object_is_a_file_on_the_server() {
        // what no packer can make smaller
        let mut state = 88_172_645_463_325_252u64;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            char::from(b'!' + (state >> 32) as u8 % 90)
        };
        let noise: String = (0..1_600_000).map(|_| next()).collect();
        let large = Chart::parse(pack(&[("k/Chart.yaml", "name: ks-core\nversion: 9.9.9"), ("k/x", &noise)])).unwrap();
        assert!(!large.fits_content(), "{} bytes", large.bytes().len());
        let path = "/var/lib/rancher/k3s/server/static/charts/ks-core-9.9.9.tgz".to_owned();
        assert_eq!(Delivery::of(&large), Delivery::Static { path });
        let spec = helm_chart(&large, &values()).unwrap()["spec"].clone();
        assert_eq!(spec["chart"], "https://%{KUBERNETES_API}%/static/charts/ks-core-9.9.9.tgz");
        assert!(spec.get("chartContent").is_none());
    }

    #[test]
    fn helms_own_word_on_a_release_is_read() {
        let wanted: Value = serde_saphyr::from_str(&values().render().unwrap()).unwrap();
        let secrets = [secret(2, "deployed", &wanted), secret(10, "failed", &wanted), secret(9, "deployed", &wanted)];
        let newest = Release::newest(&secrets).unwrap();
        assert_eq!((newest.revision, newest.status.as_str(), newest.chart_version.as_str()), (10, "failed", "1.1.4"));
        let lacks = |release: &Release, values: &Values| release.lacks(&chart(), values).unwrap();
        assert_eq!(lacks(&newest, &values()).unwrap(), "revision 10: failed Install complete");
        let done = Release::newest(&secrets[..1]).unwrap();
        assert_eq!(lacks(&done, &values()), None);
        let other = Values { host: "other".into(), ..values() };
        assert_eq!(lacks(&done, &other).unwrap(), "revision 2: another value at portal.hostname");
        let hash = Values { admin_hash: "secret".into(), ..values() };
        assert_eq!(lacks(&done, &hash).unwrap(), "revision 2: another value at authentication.adminPassword");
        let mut more = wanted.clone();
        more["nodeSelector"] = json!({"disk": "fast"});
        assert_eq!(lacks(&Release::newest(&[secret(3, "deployed", &more)]).unwrap(), &values()), None);
        assert_eq!(Release::newest(&[]), None);
    }
}
