//! A machine's .vmx as QEMU's command line.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use serde_json::json;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::buses::Buses;
use super::nic;
use crate::Failure;
use crate::disk::Format;
use crate::engine::Kind;
use crate::vm::Vm;
use crate::vm_error::VmError;

/// Where the processor channel, the monitor and the guest agent are, relative to the machine's folder: a socket's path
/// must be short.
pub(super) const MONITOR: &str = "qmp";
pub(super) const AGENT: &str = "agent";

/// What the command line depends on besides the .vmx.
pub(super) struct Host<'a> {
    pub(super) engine: Kind,
    pub(super) firmware: Firmware,
    pub(super) cables: Cables,
    /// What a disk file is.
    pub(super) format: &'a dyn Fn(&Path) -> Result<Format, Failure>,
    /// Whether the machine goes on from a memory file.
    pub(super) incoming: bool,
}

/// The program that starts the machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Firmware {
    /// SeaBIOS, built into QEMU.
    Bios,
    /// OVMF: its code, and this machine's variables.
    Efi { code: PathBuf, variables: PathBuf },
}

/// What network adapters are plugged into.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Cables {
    /// A tap each, for the bridge.
    Taps,
    /// QEMU's own network, without root: net, the host's address in it, loopback ports with what they lead to.
    User { net: String, host: IpAddr, forwards: Vec<(u16, String)> },
}

/// The arguments, without the program. The machine begins halted.
pub(super) fn argv(vm: &Vm, host: &Host<'_>) -> Result<Vec<String>, VmError> {
    let buses = Buses::of(vm, host)?;
    let mut args = Args::default();
    args.add("-name", format!("guest={}", escaped(&vm.name())));
    args.flags(&["-no-user-config", "-nodefaults", "-S"]);
    let hpet = if vm.vmx.is_true("hpet0.present") { "on" } else { "off" };
    args.add("-machine", format!("{},hpet={hpet}", buses.machine()));
    match host.engine {
        Kind::Kvm => args.pairs(&[("-accel", "kvm"), ("-cpu", "host")]),
        _ => args.pairs(&[("-accel", "tcg,thread=multi"), ("-cpu", "max")]),
    }
    args.add("-m", format!("{}M", vm.memory_mib()));
    let cores = vm.number("cpuid.coresPerSocket", 1).max(1);
    let topology = if vm.cpus().is_multiple_of(cores) {
        format!("{},sockets={},cores={cores},threads=1", vm.cpus(), vm.cpus() / cores)
    } else {
        vm.cpus().to_string()
    };
    args.add("-smp", topology);
    if let Some(uuid) = vm.vmx.get("uuid.bios") {
        args.add("-uuid", self::uuid(uuid)?);
    }
    args.add("-rtc", format!("base={},clock=host", rtc_base(vm)?));
    args.pairs(&[("-display", "none"), ("-vga", "std")]);
    args.add("-qmp", format!("unix:{MONITOR},server=on,wait=off"));
    if let Firmware::Efi { code, variables } = &host.firmware {
        args.add("-drive", flash(0, code, true));
        args.add("-drive", flash(1, variables, false));
    }
    args.pairs(&[("-boot", "strict=on")]);
    serial(vm, &mut args);
    args.add("-device", "virtio-serial-pci,id=channels");
    args.add("-chardev", format!("socket,id={AGENT},path={AGENT},server=on,wait=off"));
    args.add("-device", format!("virtserialport,bus=channels.0,chardev={AGENT},name=org.qemu.guest_agent.0"));
    buses.add(&mut args);
    nic::add(vm, &host.cables, &mut args)?;
    if host.incoming {
        args.pairs(&[("-incoming", "defer")]);
    }
    Ok(args.0)
}

/// The command line as it grows.
#[derive(Debug, Default)]
pub(super) struct Args(Vec<String>);

impl Args {
    pub(super) fn add(&mut self, option: &str, value: impl Into<String>) {
        self.0.extend([option.to_owned(), value.into()]);
    }

    pub(super) fn block(&mut self, node: &str, driver: &str, file: &Path, read_only: bool) {
        let file = json!({ "driver": "file", "filename": file });
        let block = json!({ "node-name": node, "driver": driver, "read-only": read_only, "file": file });
        self.add("-blockdev", block.to_string());
    }

    fn flags(&mut self, flags: &[&str]) {
        self.0.extend(flags.iter().map(|f| (*f).to_owned()));
    }

    fn pairs(&mut self, pairs: &[(&str, &str)]) {
        for (option, value) in pairs {
            self.add(option, *value);
        }
    }
}

/// A comma ends a value in QEMU's options.
fn escaped(value: &str) -> String {
    value.replace(',', ",,")
}

fn flash(unit: u8, file: &Path, read_only: bool) -> String {
    let read_only = if read_only { "on" } else { "off" };
    format!("if=pflash,format=raw,unit={unit},readonly={read_only},file={}", escaped(&file.display().to_string()))
}

fn serial(vm: &Vm, args: &mut Args) {
    match vm.serial_log() {
        Some(file) => {
            let file = escaped(&file.display().to_string());
            args.add("-chardev", format!("file,id=serial0,path={file},append=on"));
            args.add("-serial", "chardev:serial0");
        }
        None => args.add("-serial", if vm.vmx.is_true("serial0.present") { "null" } else { "none" }),
    }
}

/// `56 4d 71 ...-...`, sixteen bytes, as QEMU wants them.
fn uuid(vmware: &str) -> Result<String, VmError> {
    let digits: String = vmware.chars().filter(char::is_ascii_hexdigit).collect::<String>().to_ascii_lowercase();
    if digits.len() != 32 {
        return Err(VmError::NotStarted(format!("uuid.bios = \"{vmware}\" is not sixteen bytes")));
    }
    let part = |from: usize, to: usize| digits[from..to].to_owned();
    Ok([part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)].join("-"))
}

/// The time at which the machine's clock starts: `rtc.startTime`, seconds since 1970.
fn rtc_base(vm: &Vm) -> Result<String, VmError> {
    let Some(text) = vm.vmx.get("rtc.startTime") else { return Ok("utc".into()) };
    let bad = || VmError::NotStarted(format!("rtc.startTime = \"{text}\" is not a time in seconds since 1970"));
    let seconds = text.trim().parse().map_err(|_| bad())?;
    let time = OffsetDateTime::from_unix_timestamp(seconds).map_err(|_| bad())?;
    Ok(time.format(&Rfc3339).map_err(|_| bad())?.trim_end_matches('Z').to_owned())
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::qemu) fn vm(extra: &str) -> Vm {
        let text = format!(
            r#"displayName = "Master 1"
memsize = "2048"
numvcpus = "2"
cpuid.coresPerSocket = "2"
uuid.bios = "56 4d 71 76 6d 72 75 6e-00 00 00 00 0b ad ca fe"
hpet0.present = "TRUE"
serial0.present = "TRUE"
serial0.fileType = "file"
serial0.fileName = "serial0.log"
ethernet0.present = "TRUE"
ethernet0.virtualDev = "vmxnet3"
ethernet0.address = "00:50:56:06:00:0a"
{extra}"#
        );
        Vm { path: "/m/one/one.vmx".into(), vmx: vmware::Vmx::parse(&text).unwrap(), id: "0badcafe".into() }
    }

    pub(in crate::qemu) fn line(extra: &str, firmware: Firmware, cables: Cables) -> Result<String, VmError> {
        let format = |path: &Path| {
            let qcow2 = path.extension().is_some_and(|e| e == "qcow2");
            Ok(if qcow2 { Format::Qcow2 } else { Format::Vmdk })
        };
        let host = Host { engine: Kind::Tcg, firmware, cables, format: &format, incoming: false };
        let args = argv(&vm(extra), &host)?;
        Ok(args.join("\n").replace("\n-", "\n\n-").replace("\n\n-", "\x00").replace('\n', " ").replace('\x00', "\n-"))
    }

    const SATA: &str = r#"sata0:0.present = "TRUE"
sata0:0.fileName = "one.vmdk"
sata0:1.present = "TRUE"
sata0:1.deviceType = "cdrom-image"
sata0:1.fileName = "/isos/installer.iso"
sata0:2.present = "TRUE"
sata0:2.deviceType = "cdrom-image"
sata0:2.fileName = "seed.iso"
sata0:2.startConnected = "FALSE"
bios.bootOrder = "hdd,cdrom"
bios.hddOrder = "sata0:0"
"#;

    #[test]
    fn a_bios_machine_on_sata() {
        insta::assert_snapshot!(line(SATA, Firmware::Bios, Cables::Taps).unwrap());
    }

    #[test]
    fn an_efi_machine_on_nvme_with_a_clock_of_its_own() {
        let extra = r#"nvme0:0.present = "TRUE"
nvme0:0.fileName = "one-000001.qcow2"
rtc.startTime = "1577836800"
"#;
        let firmware = Firmware::Efi { code: "/ovmf/CODE.fd".into(), variables: "/m/one/one,1.nvram".into() };
        insta::assert_snapshot!(line(extra, firmware, Cables::Taps).unwrap());
    }

    #[test]
    fn a_machine_of_a_user_without_root() {
        let user = Cables::User {
            net: "192.168.6.0/24".into(),
            host: "192.168.6.1".parse().unwrap(),
            forwards: vec![(40022, "192.168.6.10:22".into())],
        };
        let line = line(SATA, Firmware::Bios, user).unwrap();
        let netdev = line.lines().find(|l| l.starts_with("-netdev")).unwrap();
        let wanted = "-netdev user,id=net0,net=192.168.6.0/24,host=192.168.6.1,ipv6=off,\
                      hostfwd=tcp:127.0.0.1:40022-192.168.6.10:22";
        assert_eq!(netdev, wanted);
    }

    #[test]
    fn values_that_mean_nothing_are_refused() {
        let wrong = |extra: &str| line(extra, Firmware::Bios, Cables::Taps).unwrap_err().to_string();
        assert_eq!(wrong("rtc.startTime = \"soon\""), "rtc.startTime = \"soon\" is not a time in seconds since 1970");
        assert_eq!(wrong("uuid.bios = \"1\""), "uuid.bios = \"1\" is not sixteen bytes");
    }
}
