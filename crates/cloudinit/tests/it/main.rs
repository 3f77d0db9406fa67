//! What the seed looks like, and what cloud-init itself says about it.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

mod golden;

use std::path::Path;

use cloudinit::{NodeFile, NodeSpec, Seed, seed};
use machine::{Cmd, Local};
use secrecy::ExposeSecret;
use serde_json::Value;
use steps::Problem;

fn node() -> NodeSpec {
    let mut node = NodeSpec::new("worker1", "192.168.6.11".parse().unwrap());
    node.authorized_keys.push("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAA lab".into());
    node.host_key_private = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNz\n-----END OPENSSH PRIVATE KEY-----\n".into();
    node.host_key_public = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBBB worker1".into();
    node.trusted_cas.push("-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n".into());
    node.files.push(NodeFile::new("/usr/local/sbin/thing", "#!/bin/sh\n\tprintf '%s\\n' \"$1: #no\"  \n\n", 0o755));
    node.units.push("thing.timer".into());
    node
}

fn parsed(seed: &Seed) -> Value {
    serde_saphyr::from_str(seed.user_data.expose_secret()).unwrap()
}

#[test]
fn the_documents_of_a_node() {
    let mut spec = node();
    spec.files.clear();
    let seed = seed(&spec).unwrap();
    insta::assert_snapshot!("user-data", seed.user_data.expose_secret());
    insta::assert_snapshot!("meta-data", seed.meta_data);
    insta::assert_snapshot!("network-config", seed.network_config);
}

#[test]
fn every_text_comes_back_as_it_was() {
    let spec = node();
    let value = parsed(&seed(&spec).unwrap());
    let first_boot = &value["autoinstall"]["user-data"];
    assert_eq!(first_boot["ssh_keys"]["ed25519_private"], spec.host_key_private.expose_secret());
    assert_eq!(first_boot["ca_certs"]["trusted"][0], spec.trusted_cas[0].as_str());
    let file = first_boot["write_files"].as_array().unwrap().iter().find(|f| f["path"] == "/usr/local/sbin/thing");
    assert_eq!(file.unwrap()["content"], spec.files[0].content.as_str());
    assert_eq!(file.unwrap()["permissions"], "0755");
}

#[test]
fn the_same_input_gives_the_same_bytes_and_any_other_input_another_hash() {
    let base = seed(&node()).unwrap();
    let again = seed(&node()).unwrap();
    assert_eq!(base.user_data.expose_secret(), again.user_data.expose_secret());
    let changes: [fn(&mut NodeSpec); 5] = [
        |n| n.prefix = 25,
        |n| n.files[0].content.push(' '),
        |n| n.host_key_private = "other".into(),
        |n| n.units.clear(),
        |n| n.timezone = "Asia/Seoul".into(),
    ];
    for change in changes {
        let mut other = node();
        change(&mut other);
        assert_ne!(seed(&other).unwrap().content_hash, base.content_hash);
    }
}

#[test]
fn the_markers_hold_the_hash_and_ready_comes_last() {
    let seed = seed(&node()).unwrap();
    let value = parsed(&seed);
    let autoinstall = &value["autoinstall"];
    let late = autoinstall["late-commands"].as_array().unwrap().last().unwrap().as_str().unwrap();
    assert!(late.contains(&seed.content_hash) && late.contains(cloudinit::INSTALLED), "{late}");
    let last = autoinstall["user-data"]["runcmd"].as_array().unwrap().last().unwrap().as_array().unwrap();
    assert_eq!(last.last().unwrap(), cloudinit::READY);
    let holds = |f: &&Value| f["path"] == "/etc/airlab/seed-hash";
    let file = autoinstall["user-data"]["write_files"].as_array().unwrap().iter().find(holds).unwrap();
    assert_eq!(file["content"], format!("{}\n", seed.content_hash));
}

#[test]
fn what_would_not_survive_is_refused() {
    type Change = fn(&mut NodeSpec);
    let changes: [(Change, &str); 7] = [
        (|n| n.hostname = "Worker_1".into(), "hostname"),
        (|n| n.user = "root".into(), "user"),
        (|n| n.authorized_keys[0].push('\n'), "authorized_keys"),
        (|n| n.authorized_keys.clear(), "authorized_keys"),
        (|n| n.trusted_cas[0] = "<html>".into(), "trusted_cas"),
        (|n| n.nameservers[0] = "127.0.0.53".parse().unwrap(), "nameservers"),
        (|n| n.host_key_private = "".into(), "host_key_private"),
    ];
    for (change, field) in changes {
        let mut spec = node();
        change(&mut spec);
        let error = seed(&spec).unwrap_err();
        assert_eq!((error.id(), error.args()[1].1.as_str()), ("AL-INI-001", field));
    }
}

#[test]
fn debug_shows_no_private_key() {
    let spec = node();
    let text = format!("{spec:?} {:?}", seed(&spec).unwrap());
    assert!(!text.contains("b3BlbnNz"), "{text}");
}

#[test]
fn cloud_init_itself_accepts_the_first_boot() {
    if Local.run(&Cmd::new("cloud-init").arg("--version")).is_err() {
        eprintln!("skipped: cloud-init is not installed here (apt-get install cloud-init)");
        return;
    }
    let value = parsed(&seed(&node()).unwrap());
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("user-data");
    let text = serde_saphyr::to_string(&value["autoinstall"]["user-data"]).unwrap();
    std::fs::write(&file, format!("#cloud-config\n{text}")).unwrap();
    let out = Local.run(&Cmd::new("cloud-init").args(["schema", "--config-file"]).arg(&file)).unwrap();
    assert_eq!(out.code, 0, "{}{}", out.text(), out.error_text());
}

#[test]
fn sshd_itself_accepts_the_drop_in() {
    if !Path::new("/usr/sbin/sshd").exists() {
        eprintln!("skipped: no OpenSSH server here (apt-get install openssh-server)");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let key = dir.path().join("key");
    Local.run_ok(&Cmd::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(&key)).unwrap();
    let text = cloudinit::SSHD_CONFIG.replace("/etc/ssh/ssh_host_ed25519_key", &key.display().to_string());
    let file = dir.path().join("sshd_config");
    std::fs::write(&file, text).unwrap();
    let _ = std::fs::create_dir_all("/run/sshd");
    let said = Local.run_ok(&Cmd::new("/usr/sbin/sshd").arg("-T").arg("-f").arg(&file)).unwrap().text();
    for line in
        ["passwordauthentication no", "permitrootlogin no", "kbdinteractiveauthentication no", "allowtcpforwarding no"]
    {
        assert!(said.lines().any(|l| l == line), "{line}");
    }
}
