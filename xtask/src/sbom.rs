//! `cargo xtask sbom`: what our programs are made of, as SPDX documents beside them.

use std::path::Path;
use std::time::Duration;

use machine::{Cmd, Local, Output};
use serde_json::Value;
use steps::chain;

use crate::lab::target;
use crate::provision::{PROGRAMS, cargo};
use crate::{Ended, say};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// `sbom [--release]`: builds the programs, then writes `PROGRAM.spdx.json` beside each. Exit code 1 when a program
/// holds a crate that its document does not name.
pub(crate) fn run(words: &[String]) -> Ended {
    let (profile, release) = match words {
        [] => ("debug", None),
        [word] if word == "--release" => ("release", Some("--release")),
        _ => return say::not_yet(&format!("sbom {}", words.join(" "))),
    };
    let packages = PROGRAMS.iter().flat_map(|name| ["-p", name]);
    let build = cargo().args(["build", "--locked", "--quiet"]).args(release).args(packages.clone());
    // Beside the programs its crates have the features that they have there, and are not built again.
    let writer = cargo().args(["build", "--locked", "--quiet", "-p", "artifacts", "--example", "sbom"]).args(packages);
    for cmd in [build, writer] {
        if Local.take_over(&cmd.timeout(Duration::from_secs(3600))).map_err(|e| chain(&e))? != 0 {
            return Ok(1);
        }
    }
    let compiler = ask(&Cmd::new("rustc").arg("-vV"))?.text();
    let field = |name: &str| compiler.lines().find_map(|l| l.strip_prefix(name)).unwrap_or_default().trim().to_owned();
    let (rust, host) = (field("release:"), field("host:"));
    let words = ["metadata", "--locked", "--format-version", "1", "--filter-platform"];
    let metadata = ask(&cargo().args(words).arg(&host))?.stdout;
    let file = target().join("xtask/metadata.json");
    let write = || std::fs::create_dir_all(target().join("xtask")).and_then(|()| std::fs::write(&file, &metadata));
    write().map_err(|e| format!("{}: {e}", file.display()))?;
    let mut code = 0;
    for name in programs(&metadata)? {
        let built = target().join(profile).join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
        let bill = target().join(profile).join(format!("{name}.spdx.json"));
        let cmd = Cmd::new(target().join("debug/examples/sbom")).arg(&file).arg(Path::new(ROOT).join("Cargo.lock"));
        let cmd = cmd.arg(&rust).arg(&built).arg(&bill).timeout(Duration::from_secs(600));
        if Local.take_over(&cmd).map_err(|e| chain(&e))? == 0 {
            say::result(&format!("{}\n", bill.display()))?;
        } else {
            code = 1;
        }
    }
    Ok(code)
}

fn ask(cmd: &Cmd) -> Result<Output, String> {
    Local.run_ok(&cmd.clone().dir(ROOT).timeout(Duration::from_secs(300))).map_err(|e| chain(&e))
}

/// The programs of the crates that a lab is run with.
fn programs(metadata: &[u8]) -> Result<Vec<String>, String> {
    let metadata: Value = serde_json::from_slice(metadata).map_err(|e| format!("cargo metadata: {e}"))?;
    let text = |value: &Value, key: &str| value[key].as_str().unwrap_or_default().to_owned();
    let ours = metadata["packages"].as_array().into_iter().flatten();
    let ours = ours.filter(|p| p["source"].is_null() && PROGRAMS.contains(&text(p, "name").as_str()));
    let targets = ours.flat_map(|p| p["targets"].as_array().cloned().unwrap_or_default());
    let programs: Vec<String> =
        targets.filter(|t| t["kind"] == serde_json::json!(["bin"])).map(|t| text(&t, "name")).collect();
    if programs.len() < PROGRAMS.len() {
        return Err(format!("cargo metadata names {} programs of {}", programs.len(), PROGRAMS.len()));
    }
    Ok(programs)
}
