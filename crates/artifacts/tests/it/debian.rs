//! Debian's own programs as the judge, where they are.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use artifacts::debian::{Package, Release, Version, closure, read_index, read_installed};
use lzma_rust2::{XzOptions, XzWriter};
use machine::{Cmd, Local, Output};
use sha2::{Digest, Sha256};
use steps::Problem;

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

const INDEX: &str = "Package: jq\nVersion: 1.6-2\nArchitecture: amd64\nFilename: pool/jq.deb\nSize: 1\nSHA256: \
    ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\n\n";

fn packed_with_xz(text: &[u8], level: u32) -> Vec<u8> {
    let mut writer = XzWriter::new(Vec::new(), XzOptions::with_preset(level)).unwrap();
    writer.write_all(text).unwrap();
    writer.finish().unwrap()
}

#[test]
fn lists_packed_with_xz_are_read() {
    let (plain, packed) = (INDEX.repeat(500), packed_with_xz(INDEX.repeat(500).as_bytes(), 9));
    assert!(packed.starts_with(b"\xfd7zXZ\0") && packed.len() < plain.len() / 10);
    let read = |bytes: &[u8]| read_index("Packages.xz", bytes, "amd64");
    assert_eq!(read(&packed).unwrap(), read(plain.as_bytes()).unwrap());
    // several streams behind one another, as `cat a.xz b.xz` gives
    assert_eq!(read(&[&packed[..], &packed].concat()).unwrap().len(), 1000);
    assert!(read(&packed[..packed.len() - 9]).is_err(), "cut off");
    let mut flipped = packed.clone();
    flipped[packed.len() / 2] ^= 1;
    assert!(read(&flipped).is_err(), "one bit");
    // what xz itself writes
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("Packages");
    fs::write(&file, &plain).unwrap();
    if run(Cmd::new("xz").args(["-9e", "-k"]).arg(&file)).is_some_and(|out| out.code == 0) {
        assert_eq!(read(&fs::read(dir.path().join("Packages.xz")).unwrap()).unwrap().len(), 500);
    }
}

/// A key made by gpg, for this test.
#[cfg(unix)]
struct Signer {
    home: tempfile::TempDir,
}

#[cfg(unix)]
impl Signer {
    fn new() -> Option<Self> {
        use std::os::unix::fs::PermissionsExt;
        let home = tempfile::tempdir().ok()?;
        fs::set_permissions(home.path(), fs::Permissions::from_mode(0o700)).ok()?;
        let signer = Self { home };
        signer.gpg(&["--quick-gen-key", "somebody", "ed25519", "sign", "never"])?;
        signer.gpg(&["--output", &signer.keyring().display().to_string(), "--export"])?;
        Some(signer)
    }

    fn keyring(&self) -> PathBuf {
        self.home.path().join("keyring.gpg")
    }

    fn gpg(&self, args: &[&str]) -> Option<()> {
        let cmd = Cmd::new("gpg").arg("--homedir").arg(self.home.path());
        let out = run(cmd.args(["--batch", "--yes", "--passphrase", "", "--pinentry-mode", "loopback"]).args(args))?;
        (out.code == 0).then_some(())
    }
}

#[cfg(unix)]
impl Drop for Signer {
    fn drop(&mut self) {
        // the agent that gpg started for this folder
        let _ = run(Cmd::new("gpgconf").arg("--homedir").arg(self.home.path()).args(["--kill", "all"]));
    }
}

#[cfg(unix)]
#[test]
fn a_release_file_is_signed_by_the_keyring_or_refused() {
    let (Some(signer), Some(stranger)) = (Signer::new(), Signer::new()) else {
        eprintln!("NOT SHOWN: no gpg to sign with");
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let (release, inrelease) = (dir.path().join("Release"), dir.path().join("InRelease"));
    let digest: String = hex::encode(Sha256::digest(INDEX));
    fs::write(&release, format!("Suite: x\nSHA256:\n {digest} {} main/Packages\n", INDEX.len())).unwrap();
    let words = |path: &Path| path.display().to_string();
    let sign = |signer: &Signer, how: &str, to: &Path| {
        signer.gpg(&["--output", &words(to), how, &words(&release)]).unwrap();
    };
    let check = |path: &Path, keyring: &Path| {
        Release::signed_by(path, keyring).and_then(|r| r.check("main/Packages", INDEX.as_bytes()))
    };
    let refused = |path: &Path, keyring: &Path| {
        let error = check(path, keyring).unwrap_err();
        assert_eq!(error.id(), "AL-ART-012", "{error}");
        error.to_string()
    };
    assert!(refused(&release, &signer.keyring()).contains("not signed"));
    sign(&signer, "--clear-sign", &inrelease);
    check(&inrelease, &signer.keyring()).unwrap();
    assert!(refused(&inrelease, &stranger.keyring()).contains("ublic key"), "a stranger's keyring");
    let text = fs::read_to_string(&inrelease).unwrap();
    fs::write(&inrelease, text.replace("Suite: x", "Suite: y")).unwrap();
    assert!(refused(&inrelease, &signer.keyring()).contains("a signature is bad"));
    // with the signature beside it
    sign(&signer, "--detach-sign", &dir.path().join("Release.gpg"));
    check(&release, &signer.keyring()).unwrap();
    sign(&stranger, "--detach-sign", &dir.path().join("Release.gpg"));
    refused(&release, &signer.keyring());
    // neither a keyring that is not there nor an empty one vouches for anything
    assert_eq!(check(&release, &dir.path().join("none.gpg")).unwrap_err().id(), "AL-ART-006");
    fs::write(dir.path().join("empty.gpg"), "").unwrap();
    refused(&release, &dir.path().join("empty.gpg"));
}
