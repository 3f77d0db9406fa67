//! A linked clone of an installed machine, and what can be done inside it.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use vmware::DiskFormat;

use crate::lab::Lab;
use crate::life::{Down, console, machine, until};
use crate::tiny;

/// Guest operations, in a machine that runs.
fn inside(lab: &Lab, vmx: &str) {
    let out = |words: &[&str]| {
        let (op, rest) = words.split_first().unwrap();
        lab.qvmrun(&[&["-T", "ws", "-gu", "root", "-gp", "secret", op, vmx], rest].concat())
    };
    let ok = |words: &[&str]| {
        let out = out(words);
        assert_eq!((out.code, out.error_text().as_str()), (0, ""), "{words:?}: {}", out.text());
        out.text()
    };
    let error = |words: &[&str]| {
        let out = out(words);
        assert_eq!(out.code, 255, "{words:?}: {}", out.text());
        out.text()
    };
    let host = |name: &str| lab.dir().join(name).display().to_string();
    assert_eq!(ok(&["fileExistsInGuest", "/sbin/init"]), "The file exists.");
    assert_eq!(ok(&["fileExistsInGuest", "/sbin"]), "The file does not exist.");
    assert_eq!(ok(&["directoryExistsInGuest", "/sbin"]), "The directory exists.");
    assert_eq!(ok(&["directoryExistsInGuest", "/no"]), "The directory does not exist.");
    assert_eq!(ok(&["createDirectoryInGuest", "/new dir"]), "");
    assert_eq!(error(&["createDirectoryInGuest", "/new dir"]), "Error: The file already exists");
    let bytes: Vec<u8> = (0..5_000_000_u32).flat_map(|n| [n.to_le_bytes()[0]; 1]).collect();
    fs::write(host("up"), &bytes).unwrap();
    ok(&["copyFileFromHostToGuest", &host("up"), "/new dir/it's"]);
    ok(&["renameFileInGuest", "/new dir/it's", "/new dir/b"]);
    ok(&["copyFileFromGuestToHost", "/new dir/b", &host("down")]);
    assert!(fs::read(host("down")).unwrap() == bytes);
    assert_eq!(ok(&["listDirectoryInGuest", "/new dir"]), "Directory list: 1\nb");
    ok(&["deleteFileInGuest", "/new dir/b"]);
    assert_eq!(error(&["deleteFileInGuest", "/new dir/b"]), "Error: A file was not found");
    assert_eq!(error(&["copyFileFromGuestToHost", "/new dir/b", &host("x")]), "Error: A file was not found");
    assert_eq!(error(&["copyFileFromHostToGuest", &host("none"), "/x"]), "Error: A file was not found");
    ok(&["deleteDirectoryInGuest", "/new dir"]);
    assert!(ok(&["createTempfileInGuest"]).starts_with("/tmp/vmware-"));

    assert_eq!(ok(&["runProgramInGuest", "/bin/echo", "hello"]), "");
    ok(&["runProgramInGuest", "/bin/sh", "-c", "'echo one > /ran'"]);
    ok(&["runScriptInGuest", "/bin/sh", "echo two >> /ran; exit 0"]);
    ok(&["copyFileFromGuestToHost", "/ran", &host("ran")]);
    assert_eq!(fs::read_to_string(host("ran")).unwrap(), "one\ntwo\n");
    let failed = "Guest program exited with non-zero exit code: 3";
    assert_eq!(error(&["runScriptInGuest", "/bin/sh", "exit 3"]), failed);
    assert_eq!(error(&["runProgramInGuest", "/no"]), "Error: A file was not found");
    let begun = Instant::now();
    ok(&["runProgramInGuest", "-noWait", "/bin/sleep", "77"]);
    assert!(begun.elapsed() < Duration::from_secs(10));
    let mut found = None;
    until("the process", || {
        let text = ok(&["listProcessesInGuest"]);
        assert!(text.starts_with("Process list: ") && text.contains("pid=1, owner=root, cmd="), "{text}");
        found = text.lines().find(|l| l.contains("sleep 77")).map(str::to_owned);
        found.is_some()
    });
    let pid = found.unwrap()["pid=".len()..].split(',').next().unwrap().to_owned();
    ok(&["killProcessInGuest", &pid]);
    assert_eq!(error(&["killProcessInGuest", &pid]), "Error: No such process");

    ok(&["writeVariable", "guestVar", "airlab.state", "done"]);
    assert_eq!(ok(&["readVariable", "guestVar", "airlab.state"]), "done");
    assert_eq!(ok(&["readVariable", "guestEnv", "LOGNAME"]), "root");

    let anonymous = lab.qvmrun(&["listProcessesInGuest", vmx]).text();
    assert!(anonymous.starts_with("Error: Anonymous guest operations are not allowed on this"), "{anonymous}");
    let unknown = lab.qvmrun(&["-gu", "nobody-here", "-gp", "x", "listProcessesInGuest", vmx]).text();
    assert_eq!(unknown, "Error: Invalid user name or password for the guest OS");
    let keys = "Error: Insufficient permissions in the host operating system";
    assert_eq!(error(&["typeKeystrokesInGuest", "x"]), keys);
    let screen = error(&["captureScreen", &host("screen.png")]);
    assert_eq!(screen, "Error: The operation is not supported for the specified parameters");
    let console = "Error: The specified guest user must be logged in interactively to perform this operation";
    assert_eq!(error(&["runProgramInGuest", "-interactive", "/bin/ls"]), console);
}

#[test]
fn an_installed_machine_is_cloned_and_the_clone_lives_on_the_golden_ones_disk() {
    if let Some(why) = tiny::missing() {
        eprintln!("skipped: {why}");
        return;
    }
    let lab = Lab::new("container");
    let installer = tiny::installer(lab.dir(), true);
    let golden = machine(&lab, "one", DiskFormat::Flat, &installer, &tiny::seed(lab.dir(), "one", "10.99.6.10"));
    let clone = lab.dir().join("two/two.vmx").display().to_string();
    let _down = Down(&lab, vec![golden.clone(), clone.clone()]);
    lab.ok(&["net", "up", "10.99.6.1/24"]);
    lab.ok(&["start", &golden, "nogui"]);
    lab.ok(&["getGuestIPAddress", &golden, "-wait"]);
    let live = lab.qvmrun(&["snapshot", &golden, "live"]);
    assert_eq!(live.text(), "Error: The operation is not supported for the specified parameters");
    for verb in ["suspend", "pause", "unpause", "installTools"] {
        assert_eq!(lab.qvmrun(&[verb, &golden]).text(), live.text(), "{verb}");
    }
    assert_eq!(lab.ok(&["listPortForwardings", "vmnet1"]), "Total port forwardings: 0");
    lab.ok(&["stop", &golden, "soft"]);
    lab.ok(&["snapshot", &golden, "golden"]);
    let data = Path::new(&golden).with_file_name("disk-flat.vmdk");
    let before = fs::read(&data).unwrap();

    lab.ok(&["clone", &golden, &clone, "linked", "-snapshot=golden", "-cloneName=two"]);
    lab.ok(&["start", &clone, "nogui"]);
    assert_eq!(lab.ok(&["getGuestIPAddress", &clone, "-wait"]), "10.99.6.10");
    until("the console", || console(&clone).contains("end of report"));
    assert!(!console(&clone).contains("installer:"), "{}", console(&clone));
    inside(&lab, &clone);
    lab.faulty("power-cut", &["checkToolsState", &clone]);
    assert_eq!(lab.ok(&["list"]), "Total running VMs: 0");
    lab.ok(&["start", &golden, "nogui"]);
    assert_eq!(lab.ok(&["getGuestIPAddress", &golden, "-wait"]), "10.99.6.10");
    lab.ok(&["revertToSnapshot", &golden, "golden"]);
    assert_eq!(lab.ok(&["list"]), "Total running VMs: 0");
    assert!(before == fs::read(&data).unwrap(), "the golden disk is as it was");
    lab.ok(&["deleteVM", &clone]);
    lab.ok(&["deleteVM", &golden]);
}
