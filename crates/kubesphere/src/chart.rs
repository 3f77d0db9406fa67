//! The `ks-core` chart: a file that somebody brought, looked at before anything is done with it.

use std::io::Read;
use std::path::Path;

use flate2::read::GzDecoder;
use serde::Deserialize;

use crate::KubeSphereError;

/// A chart of this many bytes or more does not fit into a HelmChart object: as base64 text it would pass the limit of
/// 1 MiB for one object.
pub const LARGEST_CONTENT: usize = 786_432;
/// No chart is larger than this when unpacked; a bomb is.
const LARGEST_UNPACKED: u64 = 64 << 20;

/// A packed chart.
#[derive(Clone, PartialEq, Eq)]
pub struct Chart {
    /// The chart's version, `1.1.4`.
    pub version: String,
    /// The version of what it installs, `v4.1.3`; empty where it does not say.
    pub app_version: String,
    bytes: Vec<u8>,
}

impl std::fmt::Debug for Chart {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Chart(ks-core {}, {} bytes)", self.version, self.bytes.len())
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    name: String,
    version: String,
    #[serde(default)]
    app_version: String,
}

impl Chart {
    /// The chart's name; a chart of another name is refused.
    pub const NAME: &str = "ks-core";

    /// Reads and checks a chart file.
    pub fn open(path: &Path) -> Result<Self, KubeSphereError> {
        let read = |source| KubeSphereError::Read { path: path.to_owned(), source };
        let bytes = std::fs::read(path).map_err(read)?;
        Self::parse(bytes).map_err(|reason| KubeSphereError::NotTheChart { path: path.to_owned(), reason })
    }

    /// Checks a chart's bytes: gzip, and in it a `Chart.yaml` with the right name and a version.
    pub fn parse(bytes: Vec<u8>) -> Result<Self, String> {
        if !bytes.starts_with(&[0x1f, 0x8b]) {
            return Err(instead(&bytes));
        }
        let unpacked = GzDecoder::new(bytes.as_slice()).take(LARGEST_UNPACKED);
        let mut archive = tar::Archive::new(unpacked);
        let mut text = None;
        for entry in archive.entries().map_err(|e| format!("not a tar archive: {e}"))? {
            let entry = entry.map_err(|e| format!("damaged: {e}"))?;
            let path = entry.path().map_err(|e| format!("damaged: {e}"))?;
            let mut parts = path.components().skip(1);
            let is_it = parts.next().is_some_and(|p| p.as_os_str() == "Chart.yaml") && parts.next().is_none();
            if is_it && text.is_none() {
                let mut read = String::new();
                entry.take(1 << 20).read_to_string(&mut read).map_err(|e| format!("Chart.yaml: {e}"))?;
                text = Some(read);
            }
        }
        let text = text.ok_or("a gzip file without a Chart.yaml: not a Helm chart")?;
        let metadata: Metadata =
            serde_saphyr::from_str(&text).map_err(|e| format!("Chart.yaml: {}", first_line(&e.to_string())))?;
        if metadata.name != Self::NAME {
            return Err(format!("the chart {} {}, not {}", metadata.name, metadata.version, Self::NAME));
        }
        if !metadata.version.starts_with(|c: char| c.is_ascii_digit()) {
            return Err(format!("version {:?} is not one", metadata.version));
        }
        Ok(Self { version: metadata.version, app_version: metadata.app_version, bytes })
    }

    /// The packed chart.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// `ks-core-1.1.4.tgz`.
    pub fn file_name(&self) -> String {
        format!("{}-{}.tgz", Self::NAME, self.version)
    }

    /// Whether it fits into a HelmChart object.
    pub fn fits_content(&self) -> bool {
        self.bytes.len() < LARGEST_CONTENT
    }
}

/// What a file is that is no gzip file. KubeSphere's former download hosts answer with a page.
fn instead(bytes: &[u8]) -> String {
    let head = String::from_utf8_lossy(&bytes[..bytes.len().min(512)]).trim_start().to_ascii_lowercase();
    if bytes.is_empty() {
        "an empty file".into()
    } else if head.starts_with("<!doctype") || head.starts_with("<html") || head.starts_with("<?xml") {
        "a web page, not a chart: the host that it was fetched from no longer serves charts".into()
    } else if head.starts_with('{') {
        "JSON, not a chart: an answer of a server, perhaps an error".into()
    } else {
        let magic: Vec<String> = bytes.iter().take(4).map(|b| format!("{b:02x}")).collect();
        format!("not a gzip file: it begins with {}", magic.join(" "))
    }
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;

    pub(crate) fn pack(files: &[(&str, &str)]) -> Vec<u8> {
        let mut tar = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
        for (path, text) in files {
            let mut header = tar::Header::new_ustar();
            header.set_size(text.len() as u64);
            header.set_mode(0o644);
            tar.append_data(&mut header, path, text.as_bytes()).unwrap();
        }
        tar.into_inner().unwrap().finish().unwrap()
    }

    pub(crate) fn chart() -> Chart {
        let yaml = "apiVersion: v2\nname: ks-core\nversion: 1.1.4\nappVersion: v4.1.3\n";
        Chart::parse(pack(&[("ks-core/values.yaml", ""), ("ks-core/Chart.yaml", yaml)])).unwrap()
    }

    #[test]
    fn the_chart_says_its_versions() {
        let chart = chart();
        assert_eq!((chart.version.as_str(), chart.app_version.as_str()), ("1.1.4", "v4.1.3"));
        assert_eq!(chart.file_name(), "ks-core-1.1.4.tgz");
        assert!(chart.fits_content());
    }

    #[test]
    fn anything_else_is_refused_with_what_it_is() {
        let refused = |bytes: &[u8]| Chart::parse(bytes.to_vec()).unwrap_err();
        assert!(refused(b"\n <!DOCTYPE html><html>").contains("web page"));
        assert!(refused(b"<html>").contains("web page"));
        assert!(refused(b"{\"code\":404}").contains("JSON"));
        assert_eq!(refused(b""), "an empty file");
        assert_eq!(refused(b"PK\x03\x04"), "not a gzip file: it begins with 50 4b 03 04");
        assert!(refused(&pack(&[("ks-core/values.yaml", "")])).contains("without a Chart.yaml"));
        assert!(
            refused(&pack(&[("a/b/Chart.yaml", "name: ks-core\nversion: 1.0.0")])).contains("without a Chart.yaml")
        );
        let other = pack(&[("x/Chart.yaml", "name: kube-prometheus-stack\nversion: 77.5.0")]);
        assert_eq!(refused(&other), "the chart kube-prometheus-stack 77.5.0, not ks-core");
        assert!(refused(&pack(&[("x/Chart.yaml", "name: ks-core\nversion: latest")])).contains("latest"));
        assert!(refused(&pack(&[("x/Chart.yaml", "name: [")])).starts_with("Chart.yaml:"));
        let whole = chart().bytes;
        assert!(Chart::parse(whole[..whole.len() / 2].to_vec()).is_err());
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_panic(mut bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..400), gzip: bool) {
            if gzip && bytes.len() > 1 { bytes[0] = 0x1f; bytes[1] = 0x8b; }
            let _ = Chart::parse(bytes);
        }
    }
}
