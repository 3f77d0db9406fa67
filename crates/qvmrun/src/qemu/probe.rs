//! Whether KVM really works: the device can be there and be of no use.

use std::fs::{self, File};
use std::time::Duration;

use machine::{Cmd, Local};

/// A boot sector that ends QEMU with [`ALIVE`]: `mov al,0x2a; out 0xf4,al; hlt`.
const GUEST: [u8; 5] = [0xb0, 0x2a, 0xe6, 0xf4, 0xf4];
/// isa-debug-exit makes 2n + 1 of what is written to it.
const ALIVE: i32 = 0x2a * 2 + 1;
/// It takes a fraction of a second where KVM works.
const DEADLINE: Duration = Duration::from_secs(3);

/// Why KVM is not usable here; nothing if it is.
pub(crate) fn kvm_obstacle() -> Option<String> {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    if !has_virtualisation(&cpu) {
        return Some("the processor shows neither vmx nor svm".into());
    }
    if let Err(error) = File::options().read(true).write(true).open("/dev/kvm") {
        return Some(format!("/dev/kvm: {error}"));
    }
    (!answers()).then(|| "a small guest on /dev/kvm gives no answer".into())
}

fn has_virtualisation(cpuinfo: &str) -> bool {
    let flags = cpuinfo.lines().filter(|l| l.starts_with("flags")).flat_map(str::split_whitespace);
    flags.into_iter().any(|flag| flag == "vmx" || flag == "svm")
}

fn answers() -> bool {
    boots("kvm", "host")
}

/// Boots the probe from a disk in memory.
fn boots(accel: &str, cpu: &str) -> bool {
    let Ok(disk) = disk() else { return false };
    let cmd = Cmd::new("qemu-system-x86_64")
        .args(["-no-user-config", "-nodefaults", "-display", "none", "-machine", "pc", "-m", "16M"])
        .args(["-accel", accel, "-cpu", cpu, "-device", "isa-debug-exit,iobase=0xf4,iosize=1"])
        .args(["-drive", &format!("if=ide,format=raw,snapshot=on,file={}", disk.display())])
        .timeout(DEADLINE);
    let alive = Local.run(&cmd).is_ok_and(|out| out.code == ALIVE);
    let _ = fs::remove_file(&disk);
    alive
}

fn disk() -> std::io::Result<std::path::PathBuf> {
    let mut sectors = vec![0; 64 << 10];
    sectors[..GUEST.len()].copy_from_slice(&GUEST);
    sectors[510..512].copy_from_slice(&[0x55, 0xaa]);
    let path = std::env::temp_dir().join(format!("qvmrun-probe-{}", std::process::id()));
    let mut file = File::options().write(true).create_new(true).open(&path)?;
    std::io::Write::write_all(&mut file, &sectors)?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_processor_shows_virtualisation_by_its_flags() {
        assert!(has_virtualisation("model name : x vmx\nflags\t\t: fpu vmx sse\n"));
        assert!(!has_virtualisation("model name : x vmx\nflags\t\t: fpu sse svm_lock\n"));
    }

    #[test]
    fn the_probe_answers_where_a_machine_can_run_and_not_elsewhere() {
        assert!(boots("tcg", "max"), "qemu-system-x86_64 is needed for this test");
        assert!(!boots("no-such-accelerator", "max"));
    }
}
