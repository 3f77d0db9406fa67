//! The tests that need real Helm, with Helm given and demanded: our values, and the images that a chart asks for.

use std::path::{Path, PathBuf};
use std::time::Duration;

use machine::{Cmd, Local};
use steps::chain;

use crate::built::Tests;
use crate::lab::target;
use crate::say;

/// The folder of the test chart.
const CHART: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../crates/kubesphere/tests/chart");

/// The packages and what the tests' names hold; of the first one all.
const TESTS: [(&str, &str); 2] = [("kubesphere", ""), ("airlab-cli", "charts::")];

/// Runs them. A chart that the caller names in `KS_CORE_CHART` is taken, otherwise the test chart, packed.
pub(crate) fn values() -> Result<bool, String> {
    let dir = target().join("xtask");
    let sdk = sdk(&dir)?;
    let chart = match std::env::var_os("KS_CORE_CHART") {
        Some(named) => PathBuf::from(named),
        None => packed(&dir)?,
    };
    say::line(&format!("our values by real Helm, with {}", chart.display()));
    let tests = Tests::build()?;
    for (package, test) in TESTS {
        let cmd = tests
            .of(package)?
            .args(["--nocapture", test])
            .env("PYTHONPATH", &sdk)
            .env("AIRLAB_HELM_PYTHON", "python3")
            .env("AIRLAB_HELM_REQUIRED", "1")
            .env("KS_CORE_CHART", &chart);
        let code = Local.take_over(&cmd.timeout(Duration::from_secs(1200))).map_err(|e| chain(&e))?;
        if code != 0 {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Helm as a library for Python, in a folder of its own, by the hash that demolab knows.
fn sdk(dir: &Path) -> Result<PathBuf, String> {
    let into = dir.join(format!("helm-{}", demolab::HELM_WHEEL.rsplit(':').next().unwrap_or_default()));
    if into.join("helm_python").is_dir() {
        return Ok(into);
    }
    let half = into.with_extension("half");
    let wrote = std::fs::create_dir_all(&half)
        .and_then(|()| std::fs::write(dir.join("helm.txt"), format!("{}\n", demolab::HELM_WHEEL)));
    wrote.map_err(|e| format!("{}: {e}", half.display()))?;
    say::line("fetching helm-python-sdk from PyPI");
    let words = ["-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--no-deps", "--require-hashes"];
    let pip = Cmd::new("python3").args(words).args(["--only-binary", ":all:", "--upgrade", "--target"]).arg(&half);
    let pip = pip.arg("-r").arg(dir.join("helm.txt")).timeout(Duration::from_secs(600));
    Local.run_ok(&pip).map_err(|e| format!("Helm is not to be had: {}", chain(&e)))?;
    std::fs::rename(&half, &into).map_err(|e| format!("{}: {e}", into.display()))?;
    Ok(into)
}

fn packed(dir: &Path) -> Result<PathBuf, String> {
    let to = dir.join("ks-core-1.1.4.tgz");
    let tar = Cmd::new("tar").arg("-czf").arg(&to).args(["-C", CHART, "ks-core"]);
    Local.run_ok(&tar.timeout(Duration::from_secs(60))).map_err(|e| chain(&e))?;
    Ok(to)
}
