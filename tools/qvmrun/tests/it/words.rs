//! vmrun's words and exit codes. Needs no root.

use crate::lab::Lab;

const VMX: &str = "config.version = \"8\"\nvirtualHW.version = \"19\"\n";

#[test]
fn a_bare_call_prints_banner_and_usage() {
    let out = Lab::new("container").qvmrun(&[]);
    assert_eq!(out.code, 255);
    assert!(out.text().contains("vmrun version 1.17.0 build-0\n\nUsage: vmrun "), "{}", out.text());
    assert_eq!(out.error_text(), "");
}

#[test]
fn failures_are_one_error_line_on_standard_output_with_255() {
    let lab = Lab::new("container");
    let vmx = lab.file("off.vmx", VMX);
    let cases: &[(&[&str], String)] = &[
        (
            &["-T", "ws", "start", "/no/such.vmx", "nogui"],
            "Cannot open VM: /no/such.vmx, The virtual machine cannot be found".into(),
        ),
        (&["-T", "ws", "start", "/no/such", "nogui"], "Cannot open VM: /no/such, unknown file suffix".into()),
        (&["stop", &vmx, "soft"], format!("The virtual machine is not powered on: {vmx}")),
        (&["getGuestIPAddress", &vmx], format!("The virtual machine is not powered on: {vmx}")),
        (&["disconnectNamedDevice", &vmx, "sata0:1"], format!("The virtual machine is not powered on: {vmx}")),
        (&["enableSharedFolders", &vmx], "The operation is not supported for the specified parameters".into()),
    ];
    for (args, text) in cases {
        let out = lab.qvmrun(args);
        assert_eq!(
            (out.code, out.text(), out.error_text()),
            (255, format!("Error: {text}"), String::new()),
            "{args:?}"
        );
    }
    let out = lab.qvmrun(&["unregister", &vmx]);
    assert!(out.code == 255 && out.text().starts_with("Error: Unrecognized command: unregister\n"), "{}", out.text());
}

#[test]
fn machines_that_are_off_have_unknown_tools_and_are_not_listed() {
    let lab = Lab::new("container");
    let vmx = lab.file("off.vmx", VMX);
    let tools = lab.qvmrun(&["checkToolsState", &vmx]);
    assert_eq!((tools.code, tools.text().as_str()), (0, "unknown"));
    let list = lab.qvmrun(&["-T", "ws", "list"]);
    assert_eq!((list.code, list.text().as_str()), (0, "Total running VMs: 0"));
}

#[test]
fn an_engine_that_cannot_work_says_why() {
    if std::fs::File::options().write(true).open("/dev/kvm").is_ok_and(|_| has_virtualisation()) {
        eprintln!("skipped: KVM is usable here");
        return;
    }
    let lab = Lab::new("kvm");
    let vmx = lab.file("off.vmx", VMX);
    let start = lab.qvmrun(&["-T", "ws", "start", &vmx, "nogui"]);
    assert!(start.text().starts_with("Error: the engine kvm is not usable here: "), "{}", start.text());
    let doctor = lab.qvmrun(&["doctor"]);
    assert!(doctor.code == 1 && doctor.text().starts_with("engine   none: "), "{}", doctor.text());
}

fn has_virtualisation() -> bool {
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap();
    cpu.split_whitespace().any(|word| word == "vmx" || word == "svm")
}

#[test]
fn limits_name_every_engine() {
    let text = Lab::new("auto").ok(&["limits"]);
    for engine in ["container:", "tcg, kvm:"] {
        assert!(text.contains(engine), "{text}");
    }
}

#[test]
fn every_call_is_one_line_of_the_log() {
    let lab = Lab::new("container");
    lab.qvmrun(&["-T", "ws", "list"]);
    lab.qvmrun(&["stop", "/no.vmx"]);
    let log = std::fs::read_to_string(lab.home().join("calls.log")).unwrap();
    let lines: Vec<&str> = log.lines().collect();
    assert!(lines[0].ends_with(" 0 [\"-T\",\"ws\",\"list\"]"), "{log}");
    assert!(lines[1].ends_with(" 255 [\"stop\",\"/no.vmx\"]") && lines.len() == 2, "{log}");
}

#[test]
fn without_a_network_its_verbs_say_so() {
    let out = Lab::new("container").qvmrun(&["net", "show"]);
    assert_eq!((out.code, out.error_text().as_str()), (1, "qvmrun: AL-QVM-003: the lab's network is not up"));
}

#[test]
fn deleting_removes_the_machines_own_files_only() {
    let lab = Lab::new("container");
    let text = format!(
        "{VMX}nvme0:0.present = \"TRUE\"\nnvme0:0.fileName = \"d.vmdk\"\nsata0:1.present = \"TRUE\"\n\
         sata0:1.deviceType = \"cdrom-image\"\nsata0:1.fileName = \"cd.iso\"\n"
    );
    let vmx = lab.file("vm/a.vmx", &text);
    let iso = lab.file("vm/cd.iso", "iso");
    let disk = vmware::Vmdk { capacity_bytes: 1 << 20, format: vmware::DiskFormat::Flat };
    disk.create(&std::path::Path::new(&vmx).with_file_name("d.vmdk")).unwrap();
    let out = lab.qvmrun(&["-T", "ws", "deleteVM", &vmx]);
    assert_eq!((out.code, out.text().as_str()), (0, ""));
    let left: Vec<_> = std::fs::read_dir(std::path::Path::new(&iso).parent().unwrap()).unwrap().collect();
    assert_eq!(left.len(), 1);
}

#[test]
fn adapters_and_variables_of_a_machine_that_is_off() {
    let lab = Lab::new("container");
    let vmx = lab.file("off.vmx", VMX);
    let list = || lab.ok(&["listNetworkAdapters", &vmx]);
    assert_eq!(list(), "Total network adapters: 0\nINDEX  TYPE         VMNET");
    lab.ok(&["addNetworkAdapter", &vmx, "nat"]);
    lab.ok(&["addNetworkAdapter", &vmx, "custom", "VMnet1"]);
    lab.ok(&["setNetworkAdapter", &vmx, "0", "hostOnly"]);
    let rows = "0      hostOnly     vmnet1\n1      custom       vmnet1";
    assert_eq!(list(), format!("Total network adapters: 2\nINDEX  TYPE         VMNET\n{rows}"));
    lab.ok(&["deleteNetworkAdapter", &vmx, "0"]);
    assert!(!std::fs::read_to_string(&vmx).unwrap().contains("ethernet0"));
    let bad = "Error: One of the parameters was invalid";
    assert_eq!(lab.qvmrun(&["deleteNetworkAdapter", &vmx, "0"]).text(), bad);
    assert_eq!(lab.qvmrun(&["addNetworkAdapter", &vmx, "custom"]).text(), bad);
    assert_eq!(lab.qvmrun(&["listPortForwardings", "vmnet1"]).text(), bad);

    lab.ok(&["writeVariable", &vmx, "runtimeConfig", "annotation", "a \"b\""]);
    assert_eq!(lab.ok(&["readVariable", &vmx, "runtimeConfig", "annotation"]), "a \"b\"");
    assert_eq!(lab.ok(&["readVariable", &vmx, "runtimeConfig", "none"]), "");
    let off = format!("Error: The virtual machine is not powered on: {vmx}");
    assert_eq!(lab.qvmrun(&["writeVariable", &vmx, "guestVar", "x", "y"]).text(), off);
    lab.ok(&["upgradevm", &vmx]);
    assert_eq!(lab.qvmrun(&["upgradevm", &vmx]).text(), "Error: The virtual machine is already up-to-date");
}
