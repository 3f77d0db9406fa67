//! What charts ask for, rendered by real Helm, against the lock.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use machine::{Cmd, Local, Output};
use serde_json::Value;
use testkit::Helm;

/// The chart that `KS_CORE_CHART` names, else the stand-in for KubeSphere's.
fn chart() -> PathBuf {
    let stand_in = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../crates/kubesphere/tests/chart/ks-core");
    std::env::var_os("KS_CORE_CHART").map_or_else(stand_in, PathBuf::from)
}

/// The values of `image:` in the rendered text, by eye rather than by our reader.
fn images(rendered: &str) -> Vec<String> {
    let lines = rendered.lines().filter_map(|line| line.trim_start_matches([' ', '-']).strip_prefix("image: "));
    let mut all: Vec<String> = lines.map(|image| image.trim_matches(['"', '\'']).to_owned()).collect();
    all.sort();
    all.dedup();
    all
}

fn full(image: &str) -> String {
    match image.split('/').next() {
        Some(host) if host.contains(['.', ':']) => image.to_owned(),
        _ => format!("docker.io/{image}"),
    }
}

/// A digest of its own for every name.
fn digest(image: &str) -> String {
    format!("sha256:{:064x}", full(image).bytes().fold(7u64, |sum, b| sum.wrapping_mul(131) + u64::from(b)))
}

fn asked(dir: &Path, images: &[String]) -> Output {
    let pin = |image: &String| format!("[[image]]\nname = '{}'\ndigest = '{}'\nsize = 1\n", full(image), digest(image));
    fs::write(dir.join("airlab.lock"), images.iter().map(pin).collect::<String>()).unwrap();
    let cmd = Cmd::new(env!("CARGO_BIN_EXE_airlab"));
    let cmd =
        cmd.args(["artifacts", "images", "--lock", "airlab.lock", "--rendered", "rendered.yaml", "--output", "json"]);
    let cmd = cmd.dir(dir).env("AIRLAB_CACHE", dir.join("cache")).env("LC_ALL", "C.UTF-8");
    Local.run(&cmd.timeout(Duration::from_secs(60))).unwrap()
}

#[test]
fn s8_every_image_of_a_chart_as_helm_renders_it_is_in_the_lock_or_named() {
    let Some(helm) = Helm::find() else { return };
    let dir = tempfile::tempdir().unwrap();
    for values in ["{}", "ha: {enabled: true}\nimages: {hooks: 'quay.io/airlab/other@sha256:DIGEST'}"] {
        let values = values.replace("DIGEST", &digest("quay.io/airlab/other")[7..]);
        let rendered = helm.render(&chart(), &values).unwrap();
        fs::write(dir.path().join("rendered.yaml"), &rendered).unwrap();
        let all = images(&rendered);
        assert!(all.len() >= 2, "{all:?}");
        // pinned by name, without the digest that the chart itself may ask for
        let names: Vec<String> = all.iter().map(|i| i.split('@').next().unwrap().to_owned()).collect();
        let whole = asked(dir.path(), &names);
        assert_eq!(whole.code, 0, "{}", whole.text());
        let listed: Vec<Value> = serde_json::from_str(&whole.text()).unwrap();
        assert_eq!(listed.len(), all.len(), "{listed:?}");
        assert!(
            listed
                .iter()
                .all(|image| image["digest"] == digest(image["image"].as_str().unwrap().split('@').next().unwrap()))
        );
        for missing in &names {
            let fewer: Vec<String> = names.iter().filter(|name| *name != missing).cloned().collect();
            let refused = asked(dir.path(), &fewer);
            assert_eq!(refused.code, 40, "{missing} is not missed: {}", refused.text());
            let said: Value = serde_json::from_str(&refused.text()).unwrap();
            assert!(said["id"] == "AL-ART-010" && said["what"].as_str().unwrap().contains(&full(missing)), "{said}");
        }
    }
}
