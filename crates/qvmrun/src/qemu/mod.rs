//! Machines in QEMU, emulated or on KVM: what a vmrun command asks of a running machine.

mod agent;
mod argv;
mod buses;
mod firmware;
mod memory;
mod nic;
mod probe;
mod qmp;
mod requests;
mod supervisor;
mod wire;

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::engine::{Engine, GuestOutput, Kind, Tools};
use crate::grammar::How;
use crate::home::Home;
use crate::place::Place;
use crate::vm::{Device, Vm};
use crate::vm_error::VmError;
use crate::wait::until;
use crate::{Failure, net, session};

use agent::Agent;
use qmp::Qmp;
use requests::Request;

pub(crate) use firmware::CODE as EFI_CODE;
pub(crate) use probe::kvm_obstacle;
pub(crate) use supervisor::supervise;

/// The program.
const QEMU: &str = "qemu-system-x86_64";
/// A start may read a suspended machine's memory first.
const START: Duration = Duration::from_secs(280);
/// A soft stop gives up after this: callers wait two minutes.
const SOFT_STOP: Duration = Duration::from_secs(100);
/// A guest without the agent may still know its power button.
const BUTTON: Duration = Duration::from_secs(30);
/// A guest that has not heard it yet is asked again.
const ASK_AGAIN: Duration = Duration::from_secs(10);
/// QEMU follows its supervisor, and the supervisor QEMU, within this.
const GOING: Duration = Duration::from_secs(3);
/// After this QEMU is killed.
const HARD_STOP: Duration = Duration::from_secs(10);

/// The engines `tcg` and `kvm`.
#[derive(Debug)]
pub(crate) struct Qemu {
    home: Home,
}

impl Qemu {
    pub(crate) fn new(home: &Home) -> Self {
        Self { home: home.clone() }
    }

    fn place(&self, vm: &Vm) -> Place {
        Place::of(&self.home, &vm.id)
    }

    fn monitor(&self, vm: &Vm) -> Result<Qmp, VmError> {
        Qmp::open(&self.place(vm)).map_err(Into::into)
    }

    fn agent(&self, vm: &Vm) -> Result<Agent, VmError> {
        Agent::open(&self.place(vm)).map_err(|_| VmError::NoTools(vm.shown()))
    }

    fn wait_off(&self, vm: &Vm, deadline: Duration) -> bool {
        until(deadline, || !self.is_on(vm))
    }

    /// Ends what is left of a machine.
    fn clear(&self, vm: &Vm) {
        let place = self.place(vm);
        place.kill("qemu.pid", "qemu.lock");
        until(Duration::from_secs(5), || !place.is_locked()); // the supervisor sees it and tidies up
        place.kill_supervisor();
        let _ = std::fs::remove_dir_all(vm.lock_dir());
    }

    /// Asks the guest to power off, by its agent or else by the power button, until it does.
    fn press(&self, vm: &Vm) -> Result<(), VmError> {
        let (begun, mut heard) = (Instant::now(), false);
        loop {
            let asked = self.agent(vm).is_ok_and(|mut agent| agent.shutdown("powerdown").is_ok());
            if !asked && let Ok(mut monitor) = self.monitor(vm) {
                let _ = monitor.run("system_powerdown", json!({}));
                let _ = monitor.run("cont", json!({})); // a halted one would not hear it
            }
            heard |= asked;
            if self.wait_off(vm, ASK_AGAIN) {
                return Ok(());
            }
            match begun.elapsed() {
                spent if spent > SOFT_STOP => return Err(VmError::TimedOut(vm.shown())),
                spent if spent > BUTTON && !heard => return Err(VmError::NoTools(vm.shown())),
                _ => {}
            }
        }
    }

    /// Starts the machine under one of the two.
    pub(crate) fn power_on(&self, vm: &Vm, engine: Kind) -> Result<(), VmError> {
        if !crate::needs::found(QEMU) {
            return Err(Failure::Missing { program: QEMU.into() }.into());
        }
        let place = self.place(vm);
        self.clear(vm);
        place.make(vm, engine)?;
        session::begin(&[], "__machine", vm, &self.home, START).inspect_err(|_| self.clear(vm))
    }
}

/// Whether the machine is on. Where the supervisor or QEMU has ended, the other follows at once, and is waited for.
fn is_on(place: &Place) -> bool {
    let ours = matches!(place.engine(), Some(Kind::Tcg | Kind::Kvm));
    let seen = || (ours && place.is_locked(), place.is_held("qemu.lock"));
    match seen() {
        (true, true) => true,
        (true, false) if !place.outcome().exists() => true, // it is being started
        _ => !until(GOING, || seen() == (false, false)),
    }
}

impl Engine for Qemu {
    fn running(&self) -> Vec<String> {
        let places = std::fs::read_dir(self.home.machines()).into_iter().flatten().flatten();
        let places = places.map(|entry| Place::of(&self.home, &entry.file_name().to_string_lossy()));
        let mut paths: Vec<String> = places.filter(is_on).filter_map(|place| place.vmx()).collect();
        paths.sort();
        paths
    }

    fn is_on(&self, vm: &Vm) -> bool {
        is_on(&self.place(vm))
    }

    fn start(&self, vm: &Vm) -> Result<(), VmError> {
        self.power_on(vm, Kind::Tcg)
    }

    fn stop(&self, vm: &Vm, how: How) -> Result<(), VmError> {
        if how == How::Soft {
            return self.press(vm);
        }
        let asked = self.monitor(vm).and_then(|mut m| Ok(m.run("quit", json!({}))?));
        if asked.is_err() || !self.wait_off(vm, HARD_STOP) {
            self.clear(vm);
        }
        if self.wait_off(vm, HARD_STOP) { Ok(()) } else { Err(VmError::TimedOut(vm.shown())) }
    }

    fn reset(&self, vm: &Vm, how: How) -> Result<(), VmError> {
        match how {
            How::Soft => self.agent(vm)?.shutdown("reboot")?,
            How::Hard => self.monitor(vm)?.run("system_reset", json!({})).map(drop)?,
        }
        Ok(())
    }

    fn tools(&self, vm: &Vm) -> Tools {
        let answers = self.agent(vm).is_ok_and(|mut agent| agent.run("guest-ping", json!({})).is_ok());
        if answers { Tools::Running } else { Tools::Installed }
    }

    fn address(&self, vm: &Vm) -> Result<Option<IpAddr>, VmError> {
        let Some(mac) = vm.mac() else { return Ok(None) };
        match self.agent(vm).and_then(|mut agent| Ok(agent.address(&mac)?)) {
            Ok(Some(address)) => Ok(Some(address)),
            _ => net::neighbour(&self.home, &mac).map_err(Into::into),
        }
    }

    fn set_device(&self, vm: &Vm, device: &Device) -> Result<(), VmError> {
        let mut monitor = self.monitor(vm)?;
        let id = buses::id(&device.name);
        if device.connected {
            let medium = json!({ "id": id, "filename": device.file, "format": "raw", "force": true,
                "read-only-mode": "read-only" });
            monitor.run("blockdev-change-medium", medium)?;
        } else {
            monitor.run("eject", json!({ "id": id, "force": true }))?;
        }
        Ok(())
    }

    fn set_cable(&self, vm: &Vm, connected: bool) -> Result<(), VmError> {
        self.monitor(vm)?.run("set_link", json!({ "name": "ethernet0", "up": connected }))?;
        Ok(())
    }

    fn forget(&self, vm: &Vm) -> Result<(), VmError> {
        self.clear(vm);
        self.place(vm).remove().map_err(Into::into)
    }

    fn pause(&self, vm: &Vm, paused: bool) -> Result<(), VmError> {
        self.monitor(vm)?.run(if paused { "stop" } else { "cont" }, json!({}))?;
        if !paused {
            memory::tell_time(&self.place(vm));
        }
        Ok(())
    }

    fn suspend(&self, vm: &Vm, file: &Path) -> Result<(), VmError> {
        let asked = requests::ask(&self.place(vm), &Request::Suspend { file: file.into() });
        if matches!(asked, Err(VmError::NotSupported)) {
            return asked;
        }
        // The supervisor may be gone before its answer is here; the .vmx tells.
        let off = (asked.is_ok() || file.exists()) && self.wait_off(vm, HARD_STOP);
        let done = off && Vm::open(&vm.shown())?.suspended().as_deref() == Some(file);
        if done { Ok(()) } else { asked.and(Err(VmError::TimedOut(vm.shown()))) }
    }

    fn snapshot_live(&self, vm: &Vm, file: &Path, overlays: &[(Device, PathBuf)]) -> Result<(), VmError> {
        let overlays = overlays.iter().map(|(device, overlay)| (device.name.clone(), overlay.clone())).collect();
        requests::ask(&self.place(vm), &Request::Snapshot { file: file.into(), overlays })
    }

    fn guest(&self, vm: &Vm, program: &[String], stdin: &[u8], wait: bool) -> Result<GuestOutput, VmError> {
        Ok(self.agent(vm)?.execute(program, stdin, wait)?)
    }

    fn screen(&self, vm: &Vm, png: &Path) -> Result<(), VmError> {
        self.monitor(vm)?.run("screendump", json!({ "filename": png, "format": "png" }))?;
        Ok(())
    }
}
