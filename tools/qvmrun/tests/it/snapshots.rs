//! Snapshots and clones of machines that are off: what the disks hold, and what is left behind. Needs no root.

use std::fs;
use std::path::{Path, PathBuf};

use machine::{Cmd, Local};
use vmware::{DiskFormat, Vmdk, Vmx};

use crate::lab::Lab;

const VMX: &str = "config.version = \"8\"\nvirtualHW.version = \"19\"\ndisplayName = \"Golden\"\nnvme0:0.present = \"TRUE\"\n\
                   nvme0:0.fileName = \"a.vmdk\"\nuuid.bios = \"56 4d\"\nethernet0.present = \"TRUE\"\n\
                   ethernet0.generatedAddress = \"00:0c:29:00:00:01\"\nnvram = \"a.nvram\"\nsata0:1.present = \"TRUE\"\n\
                   sata0:1.deviceType = \"cdrom-image\"\nsata0:1.fileName = \"../cd.iso\"\n";

fn missing() -> bool {
    let none = Local.run(&Cmd::new("qemu-io").arg("--version")).is_err();
    if none {
        eprintln!("skipped: not installed: qemu-utils");
    }
    none
}

fn machine(lab: &Lab, format: DiskFormat) -> String {
    let vmx = lab.file("a/a.vmx", VMX);
    lab.file("a/a.nvram", "boot entries");
    Vmdk::new(16 << 20, format).create(&Path::new(&vmx).with_file_name("a.vmdk")).unwrap();
    vmx
}

fn load(vmx: &str) -> Vmx {
    Vmx::parse(&fs::read_to_string(vmx).unwrap()).unwrap()
}

fn disk(vmx: &str) -> PathBuf {
    Path::new(vmx).with_file_name(load(vmx).get("nvme0:0.fileName").unwrap())
}

fn format(disk: &Path) -> &'static str {
    if fs::read(disk).unwrap().starts_with(b"QFI\xfb") { "qcow2" } else { "vmdk" }
}

fn io(disk: &Path, command: &str) -> String {
    let cmd = Cmd::new("qemu-io").args(["-f", format(disk), "-c", command]).arg(disk);
    let out = Local.run(&cmd).unwrap();
    assert!(out.code == 0 || command.starts_with("read"), "{}", out.error_text());
    out.text()
}

/// Fills a MiB of the machine's disk with this byte.
fn put(vmx: &str, mib: u32, byte: u8) {
    io(&disk(vmx), &format!("write -P {byte} {mib}M 1M"));
}

fn holds(vmx: &str, mib: u32, byte: u8) -> bool {
    let text = io(&disk(vmx), &format!("read -P {byte} {mib}M 1M"));
    text.contains("read 1048576/1048576") && !text.contains("verification failed")
}

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn error(lab: &Lab, args: &[&str]) -> String {
    let out = lab.qvmrun(args);
    assert_eq!(out.code, 255, "{args:?}: {}", out.text());
    out.text()
}

#[test]
fn snapshots_keep_what_was_and_their_removal_keeps_what_is() {
    if missing() {
        return;
    }
    for kind in [DiskFormat::Sparse, DiskFormat::Flat] {
        let lab = Lab::new("container");
        let vmx = machine(&lab, kind);
        let list = || lab.ok(&["listSnapshots", &vmx]);
        assert_eq!(list(), "Total snapshots: 0");
        put(&vmx, 0, 1);
        lab.ok(&["-T", "ws", "snapshot", &vmx, "one"]);
        put(&vmx, 0, 2);
        lab.ok(&["snapshot", &vmx, "two"]);
        put(&vmx, 0, 3);
        assert_eq!(list(), "Total snapshots: 2\none\ntwo");
        assert_eq!(lab.ok(&["listSnapshots", &vmx, "showTree"]), "Total snapshots: 2\none\n\ttwo");
        assert_eq!(error(&lab, &["snapshot", &vmx, "two"]), "Error: A snapshot with the name already exists");
        assert_eq!(error(&lab, &["revertToSnapshot", &vmx, "no"]), "Error: Invalid snapshot name 'no'");
        assert_eq!(error(&lab, &["deleteSnapshot", &vmx, "no"]), "Error: Invalid snapshot name 'no'");

        lab.ok(&["revertToSnapshot", &vmx, "one"]);
        assert!(holds(&vmx, 0, 1));
        put(&vmx, 1, 9);
        lab.ok(&["snapshot", &vmx, "side"]);
        assert_eq!(lab.ok(&["listSnapshots", &vmx, "showTree"]), "Total snapshots: 3\none\n\ttwo\n\tside");
        lab.ok(&["revertToSnapshot", &vmx, "one/two"]);
        assert!(holds(&vmx, 0, 2) && holds(&vmx, 1, 0));

        lab.ok(&["deleteSnapshot", &vmx, "one"]);
        assert!(holds(&vmx, 0, 2) && holds(&vmx, 1, 0));
        lab.ok(&["revertToSnapshot", &vmx, "side"]);
        assert!(holds(&vmx, 0, 1) && holds(&vmx, 1, 9));
        put(&vmx, 2, 7);
        lab.ok(&["deleteSnapshot", &vmx, "two"]);
        lab.ok(&["deleteSnapshot", &vmx, "side", "andDeleteChildren"]);
        assert_eq!(list(), "Total snapshots: 0");
        assert!(holds(&vmx, 0, 1) && holds(&vmx, 1, 9) && holds(&vmx, 2, 7));
        assert_eq!(load(&vmx).get("nvme0:0.fileName"), Some("a.vmdk"), "everything is merged again");
        let flat = if kind == DiskFormat::Flat { vec!["a-flat.vmdk"] } else { vec![] };
        let want = [flat, vec!["a.nvram", "a.vmdk", "a.vmsd", "a.vmx"]].concat();
        assert_eq!(names(Path::new(&vmx).parent().unwrap()), want);
    }
}

#[test]
fn clones_are_machines_of_their_own() {
    if missing() {
        return;
    }
    let lab = Lab::new("container");
    let vmx = machine(&lab, DiskFormat::Flat);
    lab.file("cd.iso", "iso");
    put(&vmx, 0, 1);
    lab.ok(&["snapshot", &vmx, "golden"]);
    put(&vmx, 0, 2);
    let at = |name: &str| lab.dir().canonicalize().unwrap().join(format!("{name}/{name}.vmx")).display().to_string();
    let (b, c, full) = (at("b"), at("c"), at("full"));
    assert_eq!(lab.ok(&["-T", "ws", "clone", &vmx, &b, "linked", "-snapshot=golden", "-cloneName=b"]), "");
    lab.ok(&["clone", &vmx, &c, "linked", "-snapshot=golden", "-cloneName=c"]);
    lab.ok(&["clone", &vmx, &full, "full"]);
    assert!(holds(&b, 0, 1) && holds(&c, 0, 1) && holds(&full, 0, 2));
    put(&b, 0, 3);
    assert!(holds(&b, 0, 3) && holds(&c, 0, 1));
    assert_eq!((format(&disk(&b)), format(&disk(&full))), ("qcow2", "vmdk"));
    let check = Cmd::new("qemu-img").args(["check", "-q", "-f", "vmdk"]).arg(disk(&full));
    Local.run_ok(&check).unwrap();
    Vmdk::open(&disk(&full)).unwrap();

    let (one, two) = (load(&b), load(&c));
    assert_eq!((one.get("displayName"), two.get("displayName")), (Some("b"), Some("c")));
    assert!(one.get("uuid.bios").is_some_and(|id| id.len() == 47) && one.get("uuid.bios") != two.get("uuid.bios"));
    assert_eq!(one.get("ethernet0.generatedAddress"), None);
    assert_eq!(fs::read_to_string(Path::new(&b).with_file_name("b.nvram")).unwrap(), "boot entries");
    assert!(Path::new(one.get("sata0:1.fileName").unwrap()).canonicalize().unwrap().ends_with("cd.iso"));
    let vmsd = fs::read_to_string(Path::new(&vmx).with_extension("vmsd")).unwrap();
    assert!(vmsd.contains(&format!("snapshot0.clone1 = \"{c}\"\nsnapshot0.numClones = \"2\"")), "{vmsd}");

    assert_eq!(error(&lab, &["clone", &vmx, &b, "full"]), "Error: The file already exists");
    assert_eq!(error(&lab, &["clone", &vmx, &at("d"), "linked"]), "Error: One of the parameters was invalid");
    for args in [&["deleteSnapshot", &vmx, "golden"][..], &["deleteVM", &vmx]] {
        assert_eq!(error(&lab, args), format!("Error: Linked clones need it: {b} {c}"));
    }
    lab.ok(&["deleteVM", &b]);
    assert!(!Path::new(&b).parent().unwrap().exists());
    assert!(error(&lab, &["deleteVM", &vmx]).ends_with(&c));
    lab.ok(&["deleteVM", &c]);
    lab.ok(&["snapshot", &vmx, "more"]);
    lab.ok(&["deleteVM", &vmx]);
    assert!(!Path::new(&vmx).parent().unwrap().exists() && holds(&full, 0, 2));
}

/// The calls are killed at many moments; after each the machine shows the same disk, and the same call can be made again.
#[test]
fn a_call_that_is_killed_can_be_made_again() {
    if missing() {
        return;
    }
    let lab = Lab::new("container");
    let vmx = machine(&lab, DiskFormat::Sparse);
    put(&vmx, 0, 1);
    lab.ok(&["snapshot", &vmx, "base"]);
    put(&vmx, 0, 2);
    lab.ok(&["snapshot", &vmx, "next"]);
    put(&vmx, 0, 3);
    let clone = lab.dir().join("c/c.vmx").display().to_string();
    for milliseconds in (0..120).step_by(8) {
        lab.killed_after(milliseconds, &["snapshot", &vmx, "s"]);
        assert!(holds(&vmx, 0, 3), "snapshot, {milliseconds} ms");
        lab.killed_after(milliseconds, &["clone", &vmx, &clone, "linked", "-snapshot=base"]);
        if !Path::new(&clone).exists() {
            lab.ok(&["clone", &vmx, &clone, "linked", "-snapshot=base"]);
        }
        assert!(holds(&clone, 0, 1), "clone, {milliseconds} ms");
        lab.killed_after(milliseconds, &["deleteVM", &clone]);
        if Path::new(&clone).exists() {
            lab.ok(&["deleteVM", &clone]);
        }
        lab.killed_after(milliseconds, &["deleteSnapshot", &vmx, "s"]);
        assert!(holds(&vmx, 0, 3), "deleteSnapshot, {milliseconds} ms");
        lab.killed_after(milliseconds, &["revertToSnapshot", &vmx, "base"]);
        assert!(holds(&vmx, 0, 1) || holds(&vmx, 0, 3), "revert, {milliseconds} ms");
        lab.ok(&["revertToSnapshot", &vmx, "next"]);
        assert!(holds(&vmx, 0, 2));
        put(&vmx, 0, 3);
        if lab.qvmrun(&["deleteSnapshot", &vmx, "s"]).code != 0 {
            assert_eq!(lab.ok(&["listSnapshots", &vmx]), "Total snapshots: 2\nbase\nnext");
        }
    }
    for name in ["next", "base"] {
        lab.ok(&["deleteSnapshot", &vmx, name]);
    }
    assert!(holds(&vmx, 0, 3));
    lab.ok(&["deleteVM", &vmx]);
    assert!(!Path::new(&vmx).parent().unwrap().exists(), "{:?}", names(Path::new(&vmx).parent().unwrap()));
}
