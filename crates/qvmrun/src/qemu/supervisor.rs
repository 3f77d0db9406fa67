//! One process per machine: it starts QEMU, plugs in its cables, and tidies up when it ends, however it ends.

use std::fs;
use std::thread;
use std::time::Duration;

use machine::{Background, Cmd, Local};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use super::argv::{self, AGENT, Cables, Host, MONITOR};
use super::qmp::Qmp;
use super::{QEMU, firmware, memory, nic, requests};
use crate::child::holder;
use crate::engine::Kind;
use crate::home::Home;
use crate::place::Place;
use crate::vm::Vm;
use crate::vm_error::VmError;
use crate::wait::until;
use crate::{Failure, disk, files, net, session};

/// QEMU listens before it has done anything else.
const MONITOR_UP: Duration = Duration::from_secs(20);

/// `__machine VMX`: runs one machine until it is off.
pub(crate) fn supervise(vmx: &str) -> Result<(), Failure> {
    session::hold(vmx, run)
}

/// QEMU, ended when this value goes.
struct Running(Background);

impl Drop for Running {
    fn drop(&mut self) {
        if self.0.ended().is_none()
            && let Some(pid) = i32::try_from(self.0.pid).ok().and_then(Pid::from_raw)
        {
            let _ = kill_process(pid, Signal::KILL);
            until(Duration::from_secs(5), || self.0.ended().is_some());
        }
    }
}

fn run(vm: &Vm, home: &Home, place: &Place, told: &mut bool) -> Result<(), VmError> {
    let engine = place.engine().unwrap_or(Kind::Tcg);
    let nics = nic::of(vm);
    let network = if nics.is_empty() { None } else { Some(net::plug(home, vm)?) };
    let suspended = vm.suspended();
    let (lab, cables) = match network {
        Some(net::Plug::Bridge(lab)) => (Some(lab), Cables::Taps),
        Some(net::Plug::User { net, host, forwards }) => (None, Cables::User { net, host, forwards }),
        None => (None, Cables::Taps),
    };
    let host =
        Host { engine, firmware: firmware::of(vm)?, cables, format: &disk::format, incoming: suspended.is_some() };
    let args = argv::argv(vm, &host)?;
    for name in [MONITOR, AGENT] {
        let _ = fs::remove_file(place.dir().join(name));
    }
    // QEMU makes its taps itself: they are gone when it is.
    let program = lab.as_ref().map_or_else(|| Cmd::new(QEMU), |lab| lab.cmd(QEMU));
    let cmd = holder(&program.args(args), place.dir(), "qemu")?;
    let qemu = Running(Local.start(&cmd, &place.log()).map_err(Failure::exec("starting QEMU"))?);
    let mut monitor = monitor(&qemu, place)?;
    for nic in &nics {
        if let Some(lab) = &lab {
            lab.ip(["link", "set", &nic.tap, "master", net::BRIDGE, "up"])?;
        }
        if !nic.connected {
            monitor.run("set_link", json!({ "name": nic.id(), "up": false }))?;
        }
    }
    if let Some(file) = &suspended {
        memory::load(&mut monitor, file)?;
    }
    monitor.run("cont", json!({}))?;
    drop(monitor); // it is the next vmrun's turn
    requests::serve(place, vm)?;
    if let Some(file) = &suspended {
        memory::used(vm, file)?;
        memory::keep_telling(place);
    }
    files::save(&place.outcome(), "ok\n")?;
    *told = true;
    while qemu.0.ended().is_none() {
        thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

fn monitor(qemu: &Running, place: &Place) -> Result<Qmp, VmError> {
    let mut monitor = None;
    until(MONITOR_UP, || {
        monitor = Qmp::open(place).ok();
        monitor.is_some() || qemu.0.ended().is_some()
    });
    monitor.ok_or_else(|| {
        let text = files::read(&place.log()).unwrap_or_default();
        let last = text.lines().rev().find(|l| !l.trim().is_empty() && !l.starts_with("qvmrun:"));
        let last = last.unwrap_or("it ended without a word").trim_start_matches(&format!("{QEMU}: ")).to_owned();
        VmError::NotStarted(format!("{QEMU}: {last}"))
    })
}
