//! Machines in QEMU, emulated, with guests of a few bytes.

mod sector;

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use machine::{Cmd, Local};
use vmware::{DiskFormat, Vmdk, Vmx};

use crate::lab::Lab;

/// The host is busy when all tests run, and these machines are slow.
fn until(what: &str, mut done: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < Duration::from_secs(90), "{what} did not come true");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// A machine with a disk on this bus, and its files.
struct Machine<'a> {
    lab: &'a Lab,
    vmx: String,
}

impl<'a> Machine<'a> {
    fn new(lab: &'a Lab, disk: &str, keys: &[(&str, &str)]) -> Self {
        let mut vmx = Vmx::default();
        let device = disk.to_owned();
        for (key, value) in [
            ("config.version", "8"),
            ("virtualHW.version", "19"),
            ("displayName", "tiny"),
            ("memsize", "32"),
            (&format!("{device}.present"), "TRUE"),
            (&format!("{device}.fileName"), "disk.vmdk"),
            ("serial0.present", "TRUE"),
            ("serial0.fileType", "file"),
            ("serial0.fileName", "serial0.log"),
        ]
        .iter()
        .chain(keys)
        {
            vmx.set(key, value);
        }
        let path = lab.file("tiny/tiny.vmx", &vmx.render());
        Self { lab, vmx: path }
    }

    fn dir(&self) -> &Path {
        Path::new(&self.vmx).parent().unwrap()
    }

    fn boots(self, sector: &[u8]) -> Self {
        sector::disk(&self.dir().join("disk.vmdk"), sector);
        self
    }

    fn ok(&self, command: &str, rest: &[&str]) -> String {
        let args: Vec<&str> = [command, self.vmx.as_str()].into_iter().chain(rest.iter().copied()).collect();
        self.lab.ok(&args)
    }

    fn serial(&self) -> String {
        fs::read_to_string(self.dir().join("serial0.log")).unwrap_or_default()
    }

    fn key(&self, key: &str) -> String {
        let vmx = Vmx::parse(&fs::read_to_string(&self.vmx).unwrap()).unwrap();
        vmx.get(key).unwrap_or_default().to_owned()
    }

    fn is_on(&self) -> bool {
        self.lab.ok(&["list"]).contains(&self.vmx)
    }

    /// The folder in which its supervisor and QEMU work.
    fn place(&self) -> PathBuf {
        let mut places = fs::read_dir(self.lab.home().join("machines")).unwrap().flatten();
        places.next().unwrap().path()
    }

    fn pid(&self, name: &str) -> String {
        fs::read_to_string(self.place().join(name)).unwrap()
    }

    /// What QEMU's monitor says to one command.
    fn monitor(&self, command: &str) -> serde_json::Value {
        let stream = UnixStream::connect(self.place().join("qmp")).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
        let mut answer = || serde_json::from_str::<serde_json::Value>(&lines.next().unwrap().unwrap()).unwrap();
        answer();
        for command in ["qmp_capabilities", command] {
            writeln!(&stream, "{{\"execute\":\"{command}\"}}").unwrap();
            let mut value = answer();
            while value.get("return").is_none() {
                value = answer();
            }
            if command != "qmp_capabilities" {
                return value["return"].take();
            }
        }
        unreachable!()
    }

    /// The file that is in a drive now.
    fn medium(&self, drive: &str) -> Option<String> {
        let blocks = self.monitor("query-block");
        let block = blocks.as_array().unwrap().iter().find(|b| b["qdev"].as_str().unwrap().contains(drive)).unwrap();
        block["inserted"]["image"]["filename"].as_str().map(str::to_owned)
    }
}

impl Drop for Machine<'_> {
    fn drop(&mut self) {
        self.lab.qvmrun(&["stop", &self.vmx, "hard"]);
    }
}

fn kill(pid: &str) {
    Local.run_ok(&Cmd::new("kill").args(["-KILL", pid])).unwrap();
}

fn gone(pid: &str) -> bool {
    !Path::new("/proc").join(pid).exists()
}

/// The letters after the last boot go on one after the other.
fn goes_on(serial: &str) -> bool {
    let letters = &serial.rsplit('B').next().unwrap().as_bytes()[2..];
    letters.windows(2).all(|pair| pair[1] == if pair[0] == b'z' { b'a' } else { pair[0] + 1 })
}

#[test]
fn an_empty_disk_falls_through_to_the_cd_and_an_installed_one_wins() {
    let work = tempfile::tempdir().unwrap();
    let iso = sector::installer_iso(work.path());
    for bus in ["sata0:0", "nvme0:0", "scsi0:0", "ide0:0"] {
        let lab = Lab::new("tcg");
        let cd = [
            ("sata0:1.present", "TRUE"),
            ("sata0:1.deviceType", "cdrom-image"),
            ("sata0:1.fileName", iso.to_str().unwrap()),
            ("scsi0.virtualDev", "pvscsi"),
            ("bios.bootOrder", "hdd,cdrom"),
        ];
        let machine = Machine::new(&lab, bus, &cd);
        Vmdk::new(8 << 20, DiskFormat::Sparse).create(&machine.dir().join("disk.vmdk")).unwrap();
        machine.ok("start", &["nogui"]);
        until("the installed system's power-off", || !machine.is_on());
        assert_eq!(machine.serial(), "CWD", "{bus}");
        assert_eq!(machine.key("cleanShutdown"), "TRUE");
        assert!(!machine.dir().join("tiny.vmx.lck").exists());
    }
}

#[test]
fn efi_machines_have_their_own_variables() {
    let lab = Lab::new("tcg");
    let keys = [("firmware", "efi"), ("nvram", "tiny.nvram"), ("memsize", "128")];
    let machine = Machine::new(&lab, "nvme0:0", &keys).boots(&[0; 512]);
    machine.ok("start", &["nogui"]);
    until("the firmware's word on the disk", || machine.serial().contains("BdsDxe: "));
    machine.ok("stop", &["hard"]);
    let first = fs::read(machine.dir().join("tiny.nvram")).unwrap();
    assert_ne!(first, fs::read("/usr/share/OVMF/OVMF_VARS_4M.fd").unwrap(), "it wrote nothing into them");
}

#[test]
fn a_machine_runs_by_its_own_clock_is_halted_reset_and_turned_off_by_its_button() {
    let lab = Lab::new("tcg");
    let machine = Machine::new(&lab, "sata0:0", &[("rtc.startTime", "1577836800")]).boots(&sector::clock());
    machine.ok("start", &["nogui"]);
    until("letters", || machine.serial().starts_with("B20abc"));
    assert_eq!(
        lab.qvmrun(&["start", &machine.vmx]).text(),
        format!("Error: The virtual machine is already running: {}", machine.vmx)
    );
    assert_eq!(machine.ok("checkToolsState", &[]), "installed");
    machine.ok("pause", &[]);
    let halted = machine.serial();
    std::thread::sleep(Duration::from_millis(400));
    assert_eq!(machine.serial(), halted);
    machine.ok("unpause", &[]);
    until("more letters", || machine.serial().len() > halted.len());
    machine.ok("reset", &["hard"]);
    until("a second boot", || machine.serial().matches("B20").count() == 2);
    until("letters after it", || machine.serial().ends_with('c'));
    machine.ok("stop", &["soft"]);
    assert!(!machine.is_on());
}

#[test]
fn media_are_changed_while_the_machine_runs() {
    let lab = Lab::new("tcg");
    let iso = lab.file("tiny/one.iso", &"x".repeat(4096));
    let keys = [
        ("sata0:1.present", "TRUE"),
        ("sata0:1.deviceType", "cdrom-image"),
        ("sata0:1.fileName", "one.iso"),
        ("sata0:1.startConnected", "FALSE"),
    ];
    let machine = Machine::new(&lab, "sata0:0", &keys).boots(&sector::clock());
    machine.ok("start", &["nogui"]);
    assert_eq!(machine.medium("sata0-1"), None);
    machine.ok("connectNamedDevice", &["sata0:1"]);
    assert_eq!(machine.medium("sata0-1"), Some(iso));
    assert_eq!(machine.key("sata0:1.startConnected"), "TRUE");
    machine.ok("disconnectNamedDevice", &["sata0:1"]);
    assert_eq!(machine.medium("sata0-1"), None);
    machine.ok("connectNamedDevice", &["sata0:1"]);
    let disk = lab.qvmrun(&["disconnectNamedDevice", &machine.vmx, "sata0:0"]);
    assert_eq!(disk.text(), "Error: Invalid device: sata0:0");
}

#[test]
fn whatever_is_killed_the_next_start_works() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: a machine's cable to the bridge needs root");
        return;
    }
    let lab = Lab::new("tcg");
    lab.ok(&["net", "up", "10.99.9.1/24"]);
    let keys = [("ethernet0.present", "TRUE"), ("ethernet0.virtualDev", "vmxnet3")];
    let machine = Machine::new(&lab, "nvme0:0", &keys).boots(&sector::clock());
    let cables = || lab.ok(&["net", "exec", "--", "ip", "-o", "link", "show", "master", "vmnet1"]).lines().count();
    let boot = |count: usize| {
        machine.ok("start", &["nogui"]);
        until("a boot", || machine.serial().matches('B').count() == count);
        assert_eq!(cables(), 1);
        (machine.pid("pid"), machine.pid("qemu.pid"))
    };
    let (supervisor, qemu) = boot(1);
    kill(&supervisor);
    until("the end of QEMU", || gone(&qemu));
    assert!(!machine.is_on() && cables() == 0);

    let (supervisor, qemu) = boot(2);
    kill(&qemu);
    until("the end of the supervisor", || gone(&supervisor));
    assert!(!machine.is_on() && machine.key("cleanShutdown") == "TRUE");
    assert!(!machine.dir().join("tiny.vmx.lck").exists());

    let (supervisor, qemu) = boot(3);
    kill(&supervisor);
    until("the end of QEMU", || gone(&qemu));
    machine.ok("deleteVM", &[]);
    assert!(!machine.dir().exists());
    lab.ok(&["net", "down"]);
}

#[test]
fn a_machine_goes_on_after_suspend_and_goes_back_to_a_snapshot_of_itself_running() {
    let lab = Lab::new("tcg");
    let machine = Machine::new(&lab, "sata0:0", &[]).boots(&sector::clock());
    machine.ok("start", &["nogui"]);
    until("letters", || machine.serial().ends_with('k'));
    machine.ok("suspend", &[]);
    assert!(!machine.is_on() && machine.dir().join(machine.key("checkpoint.vmState")).is_file());
    let before = machine.serial();
    machine.ok("start", &["nogui"]);
    until("more letters", || machine.serial().len() > before.len() + 3);
    assert_eq!(machine.key("checkpoint.vmState"), "");
    assert!(goes_on(&machine.serial()), "{}", machine.serial());

    machine.ok("snapshot", &["running"]);
    let overlay = machine.dir().join(machine.key("sata0:0.fileName"));
    assert_eq!(machine.medium("sata0-0"), Some(overlay.display().to_string()));
    let before = machine.serial();
    until("more letters", || machine.serial().len() > before.len() + 30);
    assert!(goes_on(&machine.serial()));
    machine.ok("revertToSnapshot", &["running"]);
    let before = machine.serial();
    machine.ok("start", &["nogui"]);
    until("letters again", || machine.serial().len() > before.len() + 3);
    assert_eq!(machine.serial().matches('B').count(), 1, "it booted: {}", machine.serial());
}

#[test]
fn the_memory_of_a_machine_with_an_nvme_disk_is_not_to_be_had_and_it_runs_on() {
    let lab = Lab::new("tcg");
    let machine = Machine::new(&lab, "nvme0:0", &[]).boots(&sector::clock());
    machine.ok("start", &["nogui"]);
    for args in [["suspend", &machine.vmx].as_slice(), &["snapshot", &machine.vmx, "s"]] {
        let out = lab.qvmrun(args);
        let wanted = "Error: The operation is not supported for the specified parameters";
        assert_eq!((out.code, out.text().as_str()), (255, wanted), "{args:?}");
    }
    let before = machine.serial();
    until("letters", || machine.serial().len() > before.len() + 3);
    assert!(fs::read_to_string(machine.dir().join("vmware.log")).unwrap().contains("use sata"));
}

#[test]
fn a_user_without_root_has_a_network_without_a_bridge() {
    let lab = Lab::for_nobody("tcg");
    let up = lab.ok(&["net", "up", "10.99.8.1/24", "--forward", "10.99.8.10:22"]);
    let facts: serde_json::Value = serde_json::from_str(&up).unwrap();
    assert_eq!((&facts["clock"], &facts["enter"]), (&"own".into(), &serde_json::json!([])));
    let reach = facts["reach"]["10.99.8.10:22"].as_str().unwrap().to_owned();
    let keys = [("ethernet0.present", "TRUE"), ("ethernet0.virtualDev", "vmxnet3")];
    let machine = Machine::new(&lab, "sata0:0", &keys).boots(&sector::clock());
    lab.hand_over();
    machine.ok("start", &["nogui"]);
    until("letters", || machine.serial().contains("abc"));
    std::net::TcpStream::connect(&reach).unwrap();
    machine.ok("disconnectNamedDevice", &["ethernet0"]);
    machine.ok("stop", &["hard"]);
    lab.ok(&["net", "down"]);
}
