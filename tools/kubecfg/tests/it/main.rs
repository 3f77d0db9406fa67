//! The kubecfg program from outside. `wsl.exe` is a program of the test's that has a home of its own.
#![cfg(unix)]
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::PathBuf;

use machine::{Cmd, Local, Output, write_file};
use serde_json::Value;

/// Knows one distribution, and runs its shell in another home.
const WSL: &str = "#!/bin/sh
case $* in
  '--list --quiet') printf 'docker-desktop\\r\\nUbuntu\\r\\n' ;;
  '--distribution Ubuntu --exec sh -s') echo call >> \"$WORLD/calls\"; HOME=$WORLD/linux exec sh -s ;;
  *) echo \"There is no distribution with the supplied name: $*\" >&2; exit 255 ;;
esac
";

struct World(tempfile::TempDir);

impl World {
    fn new() -> Self {
        let world = Self(tempfile::tempdir().unwrap());
        write_file(&world.at("bin/wsl.exe"), WSL.as_bytes(), 0o755).unwrap();
        fs::create_dir(world.at("linux")).unwrap();
        let (cert, key) = identity();
        let ours = kubecfg::Kubeconfig::admin("default", "https://127.0.0.1:6443", &cert, &cert, &key.into());
        let text = secrecy::ExposeSecret::expose_secret(&ours.render().unwrap()).to_owned();
        fs::write(world.at("k3s.yaml"), text).unwrap();
        world
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn run(&self, words: &[&str]) -> Output {
        let path = format!("{}:{}", self.at("bin").display(), std::env::var("PATH").unwrap());
        let cmd = Cmd::new(env!("CARGO_BIN_EXE_kubecfg")).args(words).dir(self.0.path()).env("PATH", path);
        let cmd = cmd.env("WORLD", self.0.path()).env("HOME", self.at("home")).env("AIRLAB_LANG", "en");
        Local.run(&cmd.env("KUBECONFIG", "").env("HTTPS_PROXY", "").env("https_proxy", "")).unwrap()
    }

    #[track_caller]
    fn json(&self, words: &[&str]) -> Value {
        let out = self.run(&[words, &["--output", "json"]].concat());
        assert_eq!(out.code, 0, "{}", out.error_text());
        serde_json::from_slice(&out.stdout).unwrap()
    }
}

/// Certificate and key.
fn identity() -> (String, String) {
    let key = rcgen::KeyPair::generate().unwrap();
    let cert = rcgen::CertificateParams::new(vec!["demo".to_owned()]).unwrap().self_signed(&key).unwrap();
    (cert.pem(), key.serialize_pem())
}

const MINE: &str = "# mine\r\nkind: Config\r\napiVersion: v1\r\nclusters: []\r\ncontexts: []\r\nusers: []";

#[test]
fn both_sides_of_wsl_are_written_and_a_second_time_neither() {
    let world = World::new();
    fs::create_dir(world.at("linux/.kube")).unwrap();
    let linux = world.at("linux/.kube/config");
    fs::write(&linux, MINE).unwrap();
    let merge = [
        "merge",
        "k3s.yaml",
        "--name",
        "demo",
        "--server",
        "https://192.168.6.10:6443",
        "--kubeconfig",
        "mine",
        "--wsl",
        "Ubuntu",
    ];
    let plan = world.json(&[&merge[..], &["--plan"]].concat());
    assert_eq!(
        (plan["places"][1]["change"].as_str(), plan["places"][1]["changed"].as_bool()),
        (Some("added"), Some(false))
    );
    assert!(!world.at("mine").exists() && fs::read_to_string(&linux).unwrap() == MINE);

    let merged = world.json(&merge);
    assert_eq!(merged["places"][1]["place"], "WSL Ubuntu: ~/.kube/config", "{merged}");
    let (here, there) = (fs::read_to_string(world.at("mine")).unwrap(), fs::read_to_string(&linux).unwrap());
    for text in [&here, &there] {
        let demo = kubecfg::Kubeconfig::select(text, Some("demo")).unwrap();
        assert_eq!(demo.server(), "https://192.168.6.10:6443");
    }
    assert!(there.starts_with("# mine\r\n"), "{there}");
    assert_eq!(fs::read_to_string(linux.with_added_extension("airlab-backup")).unwrap(), MINE);
    let mode =
        |path: &PathBuf| std::os::unix::fs::PermissionsExt::mode(&fs::metadata(path).unwrap().permissions()) & 0o777;
    assert_eq!((mode(&world.at("mine")), mode(&linux)), (0o600, 0o600));

    let again = world.json(&merge);
    assert!(again["places"].as_array().unwrap().iter().all(|p| p["changed"] == false), "{again}");
    assert_eq!(fs::read_to_string(&linux).unwrap(), there);
    world.json(&["remove", "demo", "--kubeconfig", "mine", "--wsl", "Ubuntu"]);
    assert_eq!(fs::read_to_string(&linux).unwrap(), MINE);
    assert!(!world.at("mine").exists(), "a file of ours alone goes away");
}

#[test]
fn nothing_is_written_when_one_of_the_places_cannot_take_it() {
    let world = World::new();
    let merge = |place: &[&str]| world.run(&[&["merge", "k3s.yaml", "--kubeconfig", "mine"], place].concat());
    let out = merge(&["--wsl", "Debian"]);
    assert!(out.code != 0 && out.error_text().contains("no distribution"), "{}", out.error_text());
    fs::write(world.at("taken"), "contexts:\n- {name: default, context: {cluster: a}}\n").unwrap();
    let out = merge(&["--kubeconfig", "taken"]);
    assert!(out.code == 10 && out.error_text().contains("AL-CFG-003"), "{}", out.error_text());
    assert!(!world.at("mine").exists());
}

#[test]
fn verification_is_dropped_only_by_the_flag_and_said_aloud() {
    let world = World::new();
    world.json(&["merge", "k3s.yaml", "--kubeconfig", "mine"]);
    assert!(!fs::read_to_string(world.at("mine")).unwrap().contains("insecure"));
    let out = world.run(&["merge", "k3s.yaml", "--kubeconfig", "mine", "--insecure"]);
    assert!(out.code == 0 && out.error_text().contains("without verification"), "{}", out.error_text());
    assert_eq!(world.json(&["show", "--kubeconfig", "mine"])[0]["verified"], false);
}

#[test]
fn show_and_test_say_how_long_and_why_not() {
    let world = World::new();
    let out = world.run(&["show", "--kubeconfig", "k3s.yaml"]);
    assert!(out.code == 0 && out.text().contains("* default") && out.text().contains("DAYS"), "{}", out.text());
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let server = format!("https://{}", free.local_addr().unwrap());
    drop(free);
    world.json(&["merge", "k3s.yaml", "--kubeconfig", "mine", "--server", &server]);
    let out = world.run(&["test", "--kubeconfig", "mine"]);
    assert!(out.code == 50 && out.error_text().contains("AL-CFG-011"), "{}", out.error_text());
}
