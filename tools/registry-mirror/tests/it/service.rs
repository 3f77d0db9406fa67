//! `service` against a systemctl that only takes notes.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use machine::{Cmd, Local};
use serde_json::Value;

const SYSTEMCTL: &str = r#"#!/bin/sh
cd "$STATE" || exit 1
echo "$*" >>calls
[ "$1" = --user ] && shift
case $1 in
    enable) touch enabled ;;
    disable) rm enabled ;;
    restart) touch active ;;
    stop) rm active ;;
    is-enabled) [ -f enabled ] && echo enabled || { echo disabled; exit 1; } ;;
    is-active) [ -f active ] && echo active || { echo inactive; exit 3; } ;;
esac
"#;

fn run(dir: &Path, verb: &str, more: &[&str]) -> (i32, Value) {
    let path = format!("{}:{}", dir.join("bin").display(), std::env::var("PATH").unwrap());
    let cmd = Cmd::new(env!("CARGO_BIN_EXE_registry-mirror")).args(["service", verb, "--user", "--output", "json"]);
    let cmd = cmd.arg("--units").arg(dir.join("units")).args(more.iter().copied()).dir(dir);
    let out = Local.run(&cmd.env("PATH", path).env("STATE", dir).timeout(Duration::from_secs(30))).unwrap();
    let first = serde_json::Deserializer::from_slice(&out.stdout).into_iter().next();
    (out.code, first.unwrap_or_else(|| panic!("{}", out.error_text())).unwrap())
}

#[test]
fn a_service_is_installed_once_and_removed() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    std::fs::create_dir_all(dir.join("bin")).unwrap();
    let program = dir.join("bin/systemctl");
    std::fs::write(&program, SYSTEMCTL).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    let serve = ["--address", "127.0.0.1", "--store", "my store", "--cert", "c.pem", "--key", "k.pem"];

    assert_eq!(run(dir, "status", &[]).1["installed"], false);
    let (code, planned) = run(dir, "install", &[&serve[..], &["--plan"]].concat());
    assert_eq!((code, planned["steps"].as_array().unwrap().len(), &planned["installed"]), (0, 4, &false.into()));
    assert!(!dir.join("my store").exists(), "a plan changes nothing");

    let (code, first) = run(dir, "install", &serve);
    assert_eq!((code, &first["active"], &first["enabled"]), (0, &true.into(), &true.into()));
    let unit = std::fs::read_to_string(dir.join("units/airlab-registry.service")).unwrap();
    let store = std::fs::canonicalize(dir).unwrap().join("my store");
    assert!(unit.contains(&format!("--store \"{}\"", store.display())), "{unit}");
    assert!(unit.contains("WantedBy=default.target"), "{unit}");

    let (_, second) = run(dir, "install", &serve);
    assert_eq!(second["steps"], serde_json::json!([]));
    let (_, other) = run(dir, "install", &[&serve[..], &["--read-only"]].concat());
    assert_eq!(other["steps"].as_array().unwrap().len(), 3, "written, read again, restarted");
    assert_eq!(run(dir, "status", &[]).0, 0);

    let (code, gone) = run(dir, "uninstall", &[]);
    assert_eq!((code, &gone["installed"], &gone["active"]), (0, &false.into(), &false.into()));
    assert_eq!(run(dir, "uninstall", &[]).1["steps"], serde_json::json!([]));
    assert!(run(dir, "status", &[]).0 != 0);
    let calls = std::fs::read_to_string(dir.join("calls")).unwrap();
    assert!(calls.lines().all(|call| call.starts_with("--user ")), "{calls}");
}
