//! The installer program's reading of documents, through its `--plan`.

use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::Duration;

use machine::{Cmd, Local, Output};

const SAMPLE: &str = r#"#cloud-config
autoinstall:
  version: 1
  identity: {hostname: master, username: airlab, password: "!"}
  ssh: {install-server: true, allow-pw: false, authorized-keys: [ssh-ed25519 AAAA airlab]}
  storage: {layout: {name: direct}}
  network:
    version: 2
    ethernets: {lan: {match: {name: "e*"}, addresses: [192.168.6.10/24]}}
  late-commands:
    - echo done > /target/marker
    - [curtin, in-target, --target=/target, --, touch, /installed]
  user-data:
    manage_etc_hosts: true
    write_files:
      - {path: /etc/x, permissions: "0600", content: "one\ntwo\n"}
"#;

fn program() -> &'static PathBuf {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| demolab::installer(&demolab::default_cache(), &steps::Silent).unwrap())
}

fn plan(document: &str, cmdline: &str) -> Output {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("user-data");
    std::fs::write(&file, document).unwrap();
    let cmd = Cmd::new(program()).arg("--plan").arg(file).arg(cmdline).timeout(Duration::from_secs(10));
    Local.run(&cmd).unwrap()
}

#[test]
#[ignore = "builds the installer program"]
fn a_document_becomes_these_files_and_commands() {
    let out = plan(SAMPLE, "BOOT_IMAGE=/casper/vmlinuz autoinstall --- console=tty0 console=ttyS0,115200 odd=a;b");
    assert_eq!(out.code, 0, "{}", out.error_text());
    insta::assert_snapshot!(out.text());
}

#[test]
#[ignore = "builds the installer program"]
fn what_it_cannot_do_is_refused_by_name() {
    let cases = [
        ("version: 1", "version: 2", "version is 2"),
        ("  version: 1\n", "", "version is 0"),
        ("late-commands", "late-comands", "late-comands"),
        ("name: direct", "name: lvm", "lvm"),
        ("#cloud-config", "#!/bin/sh", "#cloud-config"),
        ("autoinstall:", "autoinst:", "no section autoinstall"),
        ("hostname: master, ", "", "hostname"),
        ("- echo done > /target/marker", "- {echo: done}", "a command is"),
        ("  ssh:", "  version: 1\n  ssh:", "already set"),
        ("    version: 2", "    version: 3", "network: version is 3"),
    ];
    for (old, new, told) in cases {
        assert!(SAMPLE.contains(old), "{old}");
        let out = plan(&SAMPLE.replacen(old, new, 1), "autoinstall");
        assert_eq!(out.code, 1, "{new}");
        assert!(out.error_text().contains(told), "{new}: {}", out.error_text());
    }
}
