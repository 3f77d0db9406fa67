//! The faults that tests can order. Needs no root.

use std::time::{Duration, Instant};

use machine::{Cmd, Local};

use crate::lab::Lab;

const VMX: &str = "config.version = \"8\"\nvirtualHW.version = \"19\"\n";

#[test]
fn each_fault_does_what_its_name_says() {
    let lab = Lab::new("container");
    let vmx = lab.file("off.vmx", VMX);
    let run = |fault: &str, args: &[&str]| lab.faulty(fault, args);
    let out = |fault: &str| {
        let out = run(fault, &["-T", "ws", "list"]);
        (out.code, String::from_utf8(out.stdout).unwrap(), String::from_utf8_lossy(&out.stderr).into_owned())
    };
    let list = "Total running VMs: 0\n";
    let canceled = "Error: The operation was canceled\n";
    assert_eq!(out("error-exit-zero"), (0, canceled.into(), String::new()));
    assert_eq!(out("canceled"), (255, canceled.into(), String::new()));
    assert_eq!(out("crlf"), (0, "Total running VMs: 0\r\n".into(), String::new()));
    let (code, text, noise) = out("noise");
    assert_eq!((code, text.as_str()), (0, list));
    assert!(noise.contains("libxml"));
    let (code, text, _) = out("junk-first-line");
    assert!(code == 0 && text.contains("ServiceImpl_Opener") && text.ends_with(list), "{text}");
    assert_eq!(out("canceled:start").0, 0);
    assert_eq!((out("canceled:LIST@1").0, out("canceled:LIST@1").0), (255, 0));

    let korean = run("cp949", &["stop", &vmx]);
    assert!(korean.code == 255 && String::from_utf8(korean.stdout.clone()).is_err());
    assert!(String::from_utf8_lossy(&korean.stdout).starts_with("Error: The virtual machine is not powered on"));

    let start = run("canceled:start,dies-after:snapshot", &["snapshot", &vmx, "s"]);
    assert_eq!((start.code, start.stdout.len()), (137, 0));
    assert_eq!(lab.ok(&["listSnapshots", &vmx]), "Total snapshots: 1\ns", "the work was done");
    assert_eq!(run("tools-never", &["stop", &vmx, "soft"]).code, 255);
    assert_eq!(run("tools-never", &["checkToolsState", &vmx]).text(), "unknown");

    let begun = Instant::now();
    assert_eq!(run("slow-stop", &["stop", &vmx, "hard"]).code, 255);
    assert!(begun.elapsed().as_secs() >= 20);
    let hang = Cmd::new(env!("CARGO_BIN_EXE_qvmrun")).arg("list").env("QVMRUN_HOME", lab.home());
    let hung = Local.run(&hang.env("QVMRUN_TEST_FAULT", "hang:list").timeout(Duration::from_secs(2)));
    assert!(matches!(hung, Err(machine::ExecError::TimedOut { .. })), "{hung:?}");
    let wrong = run("hung", &["list"]);
    assert!(wrong.code == 2 && wrong.error_text().contains("QVMRUN_TEST_FAULT"), "{}", wrong.error_text());
}
