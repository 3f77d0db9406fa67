//! A machine's whole life: installed from its ISO, booted from its disk, stopped, deleted, and the host as before.

use std::collections::BTreeSet;
use std::fs;
use std::io::Read;
use std::net::TcpStream;
use std::path::Path;
use std::time::{Duration, Instant};

use machine::{Cmd, Local};
use vmware::{DiskFormat, Vmdk, Vmx};

use crate::lab::Lab;
use crate::tiny;

pub fn until(what: &str, mut done: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < Duration::from_secs(60), "{what} did not come true");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Takes the network down whatever happens, so that a failed test leaves nothing behind.
pub struct Down<'a>(pub &'a Lab, pub Vec<String>);

impl Drop for Down<'_> {
    fn drop(&mut self) {
        for vmx in &self.1 {
            self.0.qvmrun(&["stop", vmx, "hard"]);
        }
        self.0.qvmrun(&["net", "down"]);
    }
}

pub fn machine(lab: &Lab, name: &str, format: DiskFormat, installer: &Path, seed: &Path) -> String {
    let dir = lab.dir().join(name);
    fs::create_dir_all(&dir).unwrap();
    Vmdk { capacity_bytes: 64 << 20, format }.create(&dir.join("disk.vmdk")).unwrap();
    let octet = if name == "one" { "0a" } else { "0b" };
    let mac = format!("00:50:56:06:00:{octet}");
    let mut vmx = tiny::vmx(name, ("nvme0:0", "disk.vmdk"), installer, seed, &mac);
    for (key, value) in [
        ("numvcpus", "1"),
        ("bios.bootOrder", "hdd,cdrom"),
        ("serial0.present", "TRUE"),
        ("serial0.fileType", "file"),
        ("serial0.fileName", "serial0.log"),
    ] {
        vmx.set(key, value);
    }
    lab.file(&format!("{name}/{name}.vmx"), &vmx.render())
}

pub fn console(vmx: &str) -> String {
    fs::read_to_string(Path::new(vmx).with_file_name("serial0.log")).unwrap_or_default()
}

fn key(vmx: &str, key: &str) -> String {
    Vmx::parse(&fs::read_to_string(vmx).unwrap()).unwrap().get(key).unwrap_or_default().to_owned()
}

/// The ids by which qvmrun knows this lab's machines.
fn ids(lab: &Lab) -> Vec<String> {
    let places = fs::read_dir(lab.home().join("machines")).into_iter().flatten().flatten();
    places.map(|p| p.file_name().to_string_lossy().into_owned()).collect()
}

/// What this lab has on its host now: mounts, loop devices, control groups, interfaces, processes.
fn traces(lab: &Lab, ids: &[String]) -> BTreeSet<String> {
    let mut seen = BTreeSet::new();
    let dir = lab.dir().display().to_string();
    let out = |program: &str, args: &[&str]| Local.run(&Cmd::new(program).args(args)).unwrap().text();
    let ours = |line: &str| line.contains(&dir) || ids.iter().any(|id| line.contains(id.as_str()));
    let mut add = |kind: &str, text: &str| seen.extend(text.lines().filter(|l| ours(l)).map(|l| format!("{kind} {l}")));
    add("mount", &fs::read_to_string("/proc/self/mounts").unwrap());
    add("loop", &out("losetup", &["-a"]));
    add("group", &out("find", &["/sys/fs/cgroup", "-maxdepth", "2", "-name", "qvmrun-*"]));
    add("link", &out("ip", &["-o", "link"]));
    for process in fs::read_dir("/proc").unwrap().flatten() {
        add("process", &fs::read_to_string(process.path().join("cmdline")).unwrap_or_default().replace('\0', " "));
    }
    seen
}

/// The host's settings that a node could want to change.
fn settings() -> Vec<String> {
    let names = ["vm/swappiness", "vm/overcommit_memory", "vm/panic_on_oom", "kernel/panic", "kernel/panic_on_oops"];
    names.iter().map(|name| fs::read_to_string(format!("/proc/sys/{name}")).unwrap()).collect()
}

#[test]
fn a_machine_is_installed_booted_stopped_and_deleted_and_the_host_is_as_before() {
    if let Some(why) = tiny::missing() {
        eprintln!("skipped: {why}");
        return;
    }
    let lab = Lab::new("container");
    let before = settings();
    let installer = tiny::installer(lab.dir(), true);
    let one = machine(&lab, "one", DiskFormat::Flat, &installer, &tiny::seed(lab.dir(), "one", "10.99.7.10"));
    let two = machine(&lab, "two", DiskFormat::Sparse, &installer, &tiny::seed(lab.dir(), "two", "10.99.7.11"));
    let down = Down(&lab, vec![one.clone(), two.clone()]);

    let no_network = lab.qvmrun(&["start", &one, "nogui"]);
    assert_eq!(no_network.text(), "Error: the lab's network is not up");
    let up = ["net", "up", "10.99.7.1/24", "--forward", "10.99.7.10:80"];
    let facts: serde_json::Value = serde_json::from_str(&lab.ok(&up)).unwrap();
    assert_eq!(facts["clock"], "host");
    assert_eq!(lab.ok(&up), lab.ok(&["net", "show"]));
    assert!(lab.ok(&["listHostNetworks"]).contains("vmnet1       hostOnly     false        10.99.7.0"));

    for vmx in [&one, &two] {
        assert_eq!(lab.ok(&["-T", "ws", "start", vmx, "nogui"]), "");
        assert!(Path::new(&format!("{vmx}.lck")).is_dir());
        assert_eq!(key(vmx, "cleanShutdown"), "FALSE");
    }
    assert_eq!(lab.ok(&["-T", "ws", "list"]), format!("Total running VMs: 2\n{one}\n{two}"));
    let again = lab.qvmrun(&["start", &one, "nogui"]);
    assert_eq!((again.code, again.text()), (255, format!("Error: The virtual machine is already running: {one}")));

    for (vmx, address) in [(&one, "10.99.7.10"), (&two, "10.99.7.11")] {
        assert_eq!(lab.ok(&["getGuestIPAddress", vmx, "-wait"]), address);
        assert_eq!(lab.ok(&["checkToolsState", vmx]), "running");
        until("the console", || console(vmx).contains("end of report"));
        let text = console(vmx);
        assert!(text.contains("installer: BOOT_IMAGE=/casper/vmlinuz autoinstall ---"), "{text}");
        assert!(text.contains("system up: BOOT_IMAGE=/boot/vmlinuz root=LABEL=tiny ro"), "{text}");
        assert!(text.contains("groups: writable"), "{text}");
        assert!(text.contains("196608 kB") && text.contains("panic: 10"), "{text}");
        assert!(!text.contains("year: 2001") && !text.contains("sysctl: writable"), "{text}");
    }

    let known = ids(&lab);
    let kinds: BTreeSet<String> =
        traces(&lab, &known).iter().filter_map(|t| t.split(' ').next().map(String::from)).collect();
    assert_eq!(kinds.into_iter().collect::<Vec<_>>(), ["group", "loop", "mount", "process"]);

    let reach = facts["reach"]["10.99.7.10:80"].as_str().unwrap();
    let mut greeting = String::new();
    TcpStream::connect(reach).unwrap().read_to_string(&mut greeting).unwrap();
    assert_eq!(greeting, "hello\n");
    let inside = lab.ok(&["net", "exec", "--", "ip", "-o", "-4", "addr", "show", "dev", "vmnet1"]);
    assert!(inside.contains("10.99.7.1/24"), "{inside}");

    lab.ok(&["disconnectNamedDevice", &one, "sata0:1"]);
    assert_eq!(key(&one, "sata0:1.startConnected"), "FALSE");
    let busy = lab.qvmrun(&["deleteVM", &one]);
    assert!(busy.code == 255 && busy.text().contains("already running"), "{}", busy.text());
    assert!(lab.qvmrun(&["net", "down"]).error_text().contains("AL-QVM-010"));

    lab.ok(&["reset", &two, "soft"]);
    until("the second boot", || console(&two).matches("system up").count() == 2);
    lab.ok(&["reset", &two, "hard"]);
    until("the third boot", || console(&two).matches("system up").count() == 3);
    assert_eq!(console(&two).matches("installer: done").count(), 1);

    lab.ok(&["stop", &one, "soft"]);
    lab.ok(&["stop", &two, "hard"]);
    assert_eq!(lab.ok(&["list"]), "Total running VMs: 0");
    assert_eq!(key(&one, "cleanShutdown"), "TRUE");
    assert!(!Path::new(&format!("{one}.lck")).exists());

    lab.ok(&["start", &one, "nogui"]);
    assert_eq!(lab.ok(&["getGuestIPAddress", &one, "-wait"]), "10.99.7.10");
    let pid = fs::read_dir(lab.home().join("machines")).unwrap().flatten().map(|d| d.path().join("pid"));
    for pid in pid.filter_map(|path| fs::read_to_string(path).ok()) {
        Local.run(&Cmd::new("kill").args(["-KILL", &pid])).unwrap(); // a supervisor that dies must not hide its machine
    }
    lab.qvmrun(&["stop", &one, "hard"]);
    assert_eq!(lab.ok(&["list"]), "Total running VMs: 0");

    for vmx in [&one, &two] {
        lab.ok(&["deleteVM", vmx]);
        assert!(!Path::new(vmx).exists());
    }
    lab.ok(&["net", "down"]);
    drop(down);
    let mut left = BTreeSet::new();
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(10) {
        left = traces(&lab, &known);
        if left.is_empty() {
            break;
        }
        std::thread::sleep(Duration::from_millis(100)); // the last loop device is released by the kernel
    }
    assert_eq!(left, BTreeSet::new());
    assert_eq!(settings(), before);
}

#[test]
fn an_installer_that_needs_a_machine_is_refused_with_the_engine_to_use() {
    if let Some(why) = tiny::missing() {
        eprintln!("skipped: {why}");
        return;
    }
    let lab = Lab::new("container");
    let installer = tiny::installer(lab.dir(), false);
    let vmx = machine(&lab, "one", DiskFormat::Flat, &installer, &tiny::seed(lab.dir(), "one", "10.99.8.10"));
    let _down = Down(&lab, vec![vmx.clone()]);
    lab.ok(&["net", "up", "10.99.8.1/24"]);
    let start = lab.qvmrun(&["-T", "ws", "start", &vmx, "nogui"]);
    assert_eq!(start.code, 255);
    assert!(start.text().contains("cannot run in a container: use QVMRUN_ENGINE=kvm or tcg"), "{}", start.text());
    let log = fs::read_to_string(Path::new(&vmx).with_file_name("vmware.log")).unwrap();
    assert!(log.contains("Msg_Post: Error"), "{log}");
    assert_eq!(lab.ok(&["list"]), "Total running VMs: 0");
    assert_eq!(key(&vmx, "cleanShutdown"), "TRUE");
}

#[test]
fn in_bridge_mode_nodes_are_reached_at_their_own_addresses() {
    if let Some(why) = tiny::missing() {
        eprintln!("skipped: {why}");
        return;
    }
    let lab = Lab::in_a_network_of_its_own("container");
    let installer = tiny::installer(lab.dir(), true);
    let vmx = machine(&lab, "one", DiskFormat::Sparse, &installer, &tiny::seed(lab.dir(), "one", "10.99.9.10"));
    let down = Down(&lab, vec![vmx.clone()]);
    let up = ["net", "up", "10.99.9.1/24", "--mode", "bridge", "--forward", "10.99.9.10:80"];
    let facts: serde_json::Value = serde_json::from_str(&lab.ok(&up)).unwrap();
    assert_eq!((facts["enter"].as_array().unwrap().len(), facts["reach"].as_object().unwrap().len()), (0, 0));
    lab.ok(&["-T", "ws", "start", &vmx, "nogui"]);
    assert_eq!(lab.ok(&["getGuestIPAddress", &vmx, "-wait"]), "10.99.9.10");
    let hello = || Local.run(&lab.cmd("busybox").args(["nc", "-w", "2", "10.99.9.10", "80"])).unwrap().text();
    until("an answer at the node's own address", || hello() == "hello");
    lab.ok(&["disconnectNamedDevice", &vmx, "ethernet0"]);
    assert_eq!(hello(), "");
    lab.ok(&["connectNamedDevice", &vmx, "ethernet0"]);
    until("an answer after the cable is back", || hello() == "hello");
    lab.ok(&["stop", &vmx, "hard"]);
    lab.ok(&["net", "down"]);
    drop(down);
    assert_ne!(Local.run(&lab.cmd("ip").args(["link", "show", "vmnet1"])).unwrap().code, 0);
}
