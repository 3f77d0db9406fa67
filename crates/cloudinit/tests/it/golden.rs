//! The seed of the machine that nodes are cloned from, and the seeds of its clones.

use cloudinit::{GoldenSpec, NodeFile, clone_seed, golden};
use machine::{Cmd, Local};
use secrecy::ExposeSecret;
use serde_json::Value;
use steps::Problem;

fn spec() -> GoldenSpec {
    let node = super::node();
    let (locale, keyboard) = (node.locale.clone(), node.keyboard.clone());
    GoldenSpec { trusted_cas: node.trusted_cas, files: node.files, units: node.units, locale, keyboard }
}

fn late_commands(spec: &GoldenSpec) -> Vec<Value> {
    let document = super::parsed(&golden(spec).unwrap());
    document["autoinstall"]["late-commands"].as_array().unwrap().clone()
}

#[test]
fn the_documents_of_a_golden_machine_and_of_a_clone() {
    let seed = golden(&spec()).unwrap();
    insta::assert_snapshot!("golden-user-data", seed.user_data.expose_secret());
    insta::assert_snapshot!("golden-network-config", seed.network_config);
    let seed = clone_seed(&super::node()).unwrap();
    insta::assert_snapshot!("clone-user-data", seed.user_data.expose_secret());
}

#[test]
fn a_golden_machine_holds_nothing_of_a_node() {
    let node = super::node();
    let text = golden(&spec()).unwrap().user_data.expose_secret().to_owned();
    for own in [&node.hostname, &node.address.to_string(), &node.host_key_public, &node.authorized_keys[0]] {
        assert!(!text.contains(own.as_str()), "{own}");
    }
    let document = super::parsed(&golden(&spec()).unwrap());
    assert_eq!(document["autoinstall"]["shutdown"], "poweroff");
    assert_eq!(document["autoinstall"]["user-data"], serde_json::json!({ "users": [] }));
}

#[test]
fn every_file_comes_through_the_shell_as_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let mut spec = spec();
    spec.files = vec![NodeFile::new("/deep/thing", "#!/bin/sh\n\tprintf '%s\\n' \"$1: #no\" `x` $(y)  \n\n", 0o751)];
    let command = late_commands(&spec).into_iter().find(|c| c[9] == "/deep/thing").unwrap();
    let words: Vec<&str> = command.as_array().unwrap().iter().map(|w| w.as_str().unwrap()).collect();
    let at = dir.path().join("deep/thing");
    let cmd = Cmd::new("sh").args(&words[5..9]).arg(&at).arg(words[10]);
    Local.run_ok(&cmd).unwrap();
    assert_eq!(std::fs::read_to_string(&at).unwrap(), spec.files[0].content);
    assert_eq!(Local.run_ok(&Cmd::new("stat").args(["-c", "%a"]).arg(&at)).unwrap().text(), "751");
}

#[test]
fn the_console_gets_the_mark_last_and_no_command_shows_it() {
    let seed = golden(&spec()).unwrap();
    let mark = seed.golden_mark();
    assert!(mark.ends_with(&seed.content_hash) && !seed.user_data.expose_secret().contains(&mark));
    let last = late_commands(&spec()).pop().unwrap();
    let words: Vec<&str> = last.as_array().unwrap().iter().map(|w| w.as_str().unwrap()).collect();
    let script = words[2].replace("/dev/console", "/dev/null");
    let said = Local.run_ok(&Cmd::new("sh").args(["-c", &script]).args(&words[3..])).unwrap().text();
    assert_eq!(said, mark);
}

#[test]
fn any_change_of_what_is_shared_is_another_golden_machine() {
    let base = golden(&spec()).unwrap().content_hash;
    assert_eq!(golden(&spec()).unwrap().content_hash, base);
    let changes: [fn(&mut GoldenSpec); 4] = [
        |s| s.files[0].content.push(' '),
        |s| s.units.clear(),
        |s| s.keyboard = "kr".into(),
        |s| s.trusted_cas[0].push('\n'),
    ];
    for change in changes {
        let mut other = spec();
        change(&mut other);
        assert_ne!(golden(&other).unwrap().content_hash, base);
    }
    let mut broken = spec();
    broken.trusted_cas[0] = "<html>".into();
    assert_eq!(golden(&broken).unwrap_err().id(), "AL-INI-001");
}

#[test]
fn a_clone_keeps_its_identity_when_its_seed_is_gone() {
    let seed = clone_seed(&super::node()).unwrap();
    let document = super::parsed(&seed);
    let runcmd = document["runcmd"].as_array().unwrap();
    let [.., disabled, ready] = &runcmd[..] else { panic!("{runcmd:?}") };
    assert_eq!(disabled[1], "/etc/cloud/cloud-init.disabled");
    assert_eq!(ready.as_array().unwrap().last().unwrap(), cloudinit::READY);
    assert!(seed.meta_data.contains(&format!("airlab-worker1-{}", &seed.content_hash[..16])), "{}", seed.meta_data);
}

#[test]
fn cloud_init_itself_accepts_the_first_boot_of_a_clone() {
    if Local.run(&Cmd::new("cloud-init").arg("--version")).is_err() {
        eprintln!("skipped: cloud-init is not installed here (apt-get install cloud-init)");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("user-data");
    std::fs::write(&file, clone_seed(&super::node()).unwrap().user_data.expose_secret()).unwrap();
    let out = Local.run(&Cmd::new("cloud-init").args(["schema", "--config-file"]).arg(&file)).unwrap();
    assert_eq!(out.code, 0, "{}{}", out.text(), out.error_text());
}
