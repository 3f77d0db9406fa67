//! Debian's own programs as the judge, where they are.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use artifacts::debian::{Package, Version, closure, read_index, read_installed};
use machine::{Cmd, Local, Output};

const LISTS: &str = "/var/lib/apt/lists";
const APT_HELPER: &str = "/usr/lib/apt/apt-helper";

fn run(cmd: Cmd) -> Option<Output> {
    Local.run(&cmd.timeout(Duration::from_secs(120))).ok()
}

fn says(program: &str, args: &[&str]) -> Option<String> {
    run(Cmd::new(program).args(args)).filter(|out| out.code == 0).map(|out| out.text())
}

#[test]
fn versions_are_ordered_as_dpkg_does() {
    if says("dpkg", &["--version"]).is_none() {
        return;
    }
    let parts = ["0", "1", "1.0", "1.0~rc1", "1.0a", "1.0+dfsg", "1.00", "1.a", "1.~", "01", "2:0.1", "0:1.0"];
    let ends = ["", "-0", "-1", "-1ubuntu1~22.04"];
    let versions: Vec<String> = parts.iter().flat_map(|p| ends.map(|e| format!("{p}{e}"))).collect();
    // one shell for all pairs: 2304 processes would take long
    let list = versions.join(" ");
    let script = format!(
        "for a in {list}; do for b in {list}; do dpkg --compare-versions $a lt $b && echo y || echo n; done; done"
    );
    let judged = says("sh", &["-c", &script]).unwrap();
    let judged: Vec<bool> = judged.lines().map(|line| line == "y").collect();
    assert_eq!(judged.len(), versions.len() * versions.len());
    let parse = |text: &str| text.parse::<Version>().unwrap();
    let pairs = versions.iter().flat_map(|a| versions.iter().map(move |b| (a, b)));
    for ((a, b), less) in pairs.zip(judged) {
        assert_eq!(parse(a) < parse(b), less, "{a} < {b}");
    }
}

/// The lists that apt has here, unpacked by its own helper.
fn lists(architecture: &str) -> Option<(String, Vec<Package>)> {
    let entries = fs::read_dir(LISTS).ok()?.flatten().map(|e| e.path());
    let is_list = |p: &PathBuf| p.to_string_lossy().contains(&format!("_binary-{architecture}_Packages"));
    let mut paths: Vec<PathBuf> = entries.filter(is_list).collect();
    paths.sort();
    let mut text = String::new();
    for path in paths {
        text += &run(Cmd::new(APT_HELPER).arg("cat-file").arg(&path)).filter(|out| out.code == 0)?.text();
        text += "\n\n";
    }
    let all = read_index("lists", text.as_bytes(), architecture).ok()?;
    Some((text, all))
}

/// What apt would install: `Inst NAME [old] (NEW ...`.
fn apt(status: &Path, names: &[&str]) -> Result<BTreeSet<String>, String> {
    let status = format!("Dir::State::status={}", status.display());
    let options = ["-o", &status, "-o", "APT::Get::AutomaticRemove=false", "-s", "--no-install-recommends", "install"];
    let out = run(Cmd::new("apt-get").args(options).args(names)).ok_or("apt-get did not run")?;
    if out.code != 0 {
        return Err(out.error_text());
    }
    let text = out.text();
    let name = |line: &str| Some(line.strip_prefix("Inst ")?.split_whitespace().next()?.to_owned());
    Ok(text.lines().filter_map(name).collect())
}

#[test]
fn closures_are_those_of_apt() {
    let Some(architecture) = says("dpkg", &["--print-architecture"]).map(|a| a.trim().to_owned()) else { return };
    let Some((text, offered)) = lists(&architecture) else { return };
    let dir = tempfile::tempdir().unwrap();
    let status = dir.path().join("status");
    // A system of what is required and what that needs, as if it were just installed.
    let stanzas: Vec<&str> = text.split("\n\n").collect();
    let field = |stanza: &str, name: &str| stanza.lines().find_map(|l| l.strip_prefix(name)).map(str::to_owned);
    let required = stanzas.iter().filter(|s| s.contains("\nPriority: required") || s.contains("\nEssential: yes"));
    let required: BTreeSet<String> = required.filter_map(|s| field(s, "Package: ")).collect();
    let required: Vec<String> = required.into_iter().collect();
    let base: BTreeSet<(String, String)> =
        closure(&offered, &[], &required).unwrap().iter().map(|p| (p.name.clone(), p.version.to_string())).collect();
    let is_base = |s: &&&str| field(s, "Package: ").zip(field(s, "Version: ")).is_some_and(|key| base.contains(&key));
    let installed: String =
        stanzas.iter().filter(is_base).map(|s| format!("{}\nStatus: install ok installed\n\n", s.trim())).collect();
    fs::write(&status, &installed).unwrap();
    let installed = read_installed("status", installed.as_bytes(), &architecture).unwrap();
    assert!(installed.len() > 50, "{}", installed.len());

    for names in [&["jq"][..], &["open-iscsi", "nfs-common"], &["socat", "conntrack", "ebtables", "ipset"]] {
        let wanted: Vec<String> = names.iter().map(|n| (*n).to_owned()).collect();
        let ours = closure(&offered, &installed, &wanted).unwrap();
        let ours: BTreeSet<String> = ours.iter().map(|p| p.name.clone()).collect();
        assert_eq!(ours, apt(&status, names).unwrap(), "{names:?}");
    }
}
