//! Values and charts against real Helm, as the library of a Python wheel.

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test may panic, and says what it does not show")]

use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use kubesphere::{Chart, Values};
use testkit::Helm;

fn stand_in() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/chart/ks-core")
}

/// The stand-in's chart, packed as `helm package` does it.
fn packed(dir: &Path) -> PathBuf {
    let path = dir.join("ks-core-1.1.4.tgz");
    let file = std::fs::File::create(&path).unwrap();
    let mut tar = tar::Builder::new(GzEncoder::new(file, Compression::best()));
    tar.append_dir_all("ks-core", stand_in()).unwrap();
    tar.into_inner().unwrap().finish().unwrap();
    path
}

fn values() -> Values {
    let admin_hash = "$2b$10$abcdefghijklmnopqrstuu5LFUOHCpqyTwFmvkRVQVDAYGhHIMYgO".to_owned();
    Values { host: "192.168.6.10".into(), admin_hash, extensions: Some(Some("v1.1.6".into())) }
}

#[test]
fn the_stand_in_is_a_chart_that_is_taken() {
    let dir = tempfile::tempdir().unwrap();
    let chart = Chart::open(&packed(dir.path())).unwrap();
    assert_eq!((chart.version.as_str(), chart.app_version.as_str()), ("1.1.4", "v4.1.3"));
    assert!(chart.fits_content());
}

#[test]
fn real_helm_makes_of_our_values_what_we_mean() {
    let Some(helm) = Helm::find() else { return };
    let dir = tempfile::tempdir().unwrap();
    let chart = packed(dir.path());
    let text = helm.render(&chart, &values().render().unwrap()).unwrap();
    checked(&text);
    for line in ["name: ks-apiserver", "name: ks-controller-manager", "issuer: http://192.168.6.10:30880"] {
        assert!(text.contains(line), "{line} is missing in {text}");
    }
    // without our values the chart's own password is the known one
    assert!(helm.render(&chart, "{}").unwrap().contains("P@88w0rd"));
    let none = Values { extensions: None, ..values() };
    assert!(!helm.render(&chart, &none.render().unwrap()).unwrap().contains("extensions-museum"));
}

/// `KS_CORE_CHART` names any chart, such as KubeSphere's own.
#[test]
fn a_chart_that_somebody_brought() {
    let Some(chart) = std::env::var_os("KS_CORE_CHART").map(PathBuf::from) else {
        eprintln!("NOT SHOWN: no chart given by KS_CORE_CHART");
        return;
    };
    let helm = Helm::find().expect("KS_CORE_CHART is given, and there is no Helm to render it with");
    Chart::open(&chart).unwrap();
    checked(&helm.render(&chart, &values().render().unwrap()).unwrap());
}

/// What must hold of any core that our values are given to.
fn checked(text: &str) {
    assert!(text.contains(&values().admin_hash), "the administrator has another password");
    assert!(!text.contains("P@88w0rd"), "the known default is in it");
    assert!(text.contains("nodePort: 30880"), "the console is not at 30880");
    assert!(text.contains("192.168.6.10"), "the portal's address is not the server's");
    for name in ["ks-apiserver", "ks-controller-manager", "ks-console"] {
        assert!(text.contains(name), "no {name}");
    }
}
