//! Machines as system containers: what a vmrun command asks of a machine's supervisor.

mod boot;
mod cable;
mod disk;
pub(crate) mod groups;
mod guest;
mod initrd;
mod lxcfs;
mod nspawn;
mod supervisor;
mod volumes;

use std::net::IpAddr;
use std::time::Duration;

use machine::{Cmd, Local};

use crate::engine::{Engine, GuestOutput, Kind, Tools};
use crate::grammar::How;
use crate::home::Home;
use crate::place::Place;
use crate::vm::{Device, Vm};
use crate::vm_error::VmError;
use crate::wait::until;
use crate::{Failure, control, net, session};

use groups::Groups;

pub(crate) use guest::become_inside;
pub(crate) use supervisor::supervise;

/// A start may have to unpack the installer's volume first.
const START: Duration = Duration::from_secs(180);
/// A soft stop gives up after this.
const SOFT_STOP: Duration = Duration::from_secs(90);
/// After this a supervisor that does not answer is ended.
const HARD_STOP: Duration = Duration::from_secs(20);

/// How long a supervisor may take to answer.
const ANSWER: Duration = Duration::from_secs(30);

/// The container engine.
#[derive(Debug)]
pub(crate) struct Container {
    home: Home,
}

impl Container {
    pub(crate) fn new(home: &Home) -> Self {
        Self { home: home.clone() }
    }

    fn place(&self, vm: &Vm) -> Place {
        Place::of(&self.home, &vm.id)
    }

    fn ask(&self, vm: &Vm, request: &str) -> Result<String, VmError> {
        control::ask(&self.place(vm), request, ANSWER).map_err(Into::into)
    }

    fn wait_off(&self, vm: &Vm, deadline: Duration) -> bool {
        until(deadline, || !self.is_on(vm))
    }

    /// Ends what is left of a machine whose supervisor does not answer.
    pub(crate) fn clear(&self, vm: &Vm) -> Result<(), VmError> {
        let place = self.place(vm);
        place.kill_supervisor();
        let groups = Groups::of(&vm.id);
        groups.kill()?;
        groups.remove();
        let _ = std::fs::remove_dir_all(vm.lock_dir());
        Ok(())
    }
}

/// A supervisor lives, or what it started does.
fn is_on(place: &Place, id: &str) -> bool {
    (place.is_locked() && place.engine().is_none_or(|e| e == Kind::Container)) || Groups::of(id).is_populated()
}

impl Engine for Container {
    fn running(&self) -> Vec<String> {
        let places = std::fs::read_dir(self.home.machines()).into_iter().flatten().flatten();
        let ids = places.map(|entry| entry.file_name().to_string_lossy().into_owned());
        let on = ids.filter(|id| is_on(&Place::of(&self.home, id), id));
        let mut paths: Vec<String> = on.filter_map(|id| Place::of(&self.home, &id).vmx()).collect();
        paths.sort();
        paths
    }

    fn is_on(&self, vm: &Vm) -> bool {
        is_on(&self.place(vm), &vm.id)
    }

    fn start(&self, vm: &Vm) -> Result<(), VmError> {
        if !rustix::process::geteuid().is_root() {
            return Err(Failure::NotRoot.into());
        }
        if vm.suspended().is_some() {
            return Err(VmError::NotSupported); // memory of a machine
        }
        if vm.vmx.is_true("ethernet0.present") {
            net::lab(&self.home)?;
        }
        let place = self.place(vm);
        place.make(vm, Kind::Container)?;
        self.clear(vm)?;
        let wrapper = ["unshare", "--mount", "--propagation", "slave", "--"];
        session::begin(&wrapper, "__supervise", vm, &self.home, START).inspect_err(|_| {
            let _ = self.clear(vm);
        })
    }

    fn stop(&self, vm: &Vm, how: How) -> Result<(), VmError> {
        if how == How::Soft {
            if self.tools(vm) != Tools::Running {
                return Err(VmError::NoTools(vm.shown()));
            }
            self.ask(vm, "stop soft")?;
            let off = self.wait_off(vm, SOFT_STOP);
            return if off { Ok(()) } else { Err(VmError::TimedOut(vm.shown())) };
        }
        let asked = self.ask(vm, "stop hard").is_ok();
        if !(asked && self.wait_off(vm, HARD_STOP)) {
            self.clear(vm)?;
        }
        if self.wait_off(vm, HARD_STOP) { Ok(()) } else { Err(VmError::TimedOut(vm.shown())) }
    }

    fn reset(&self, vm: &Vm, how: How) -> Result<(), VmError> {
        if how == How::Soft && self.tools(vm) != Tools::Running {
            return Err(VmError::NoTools(vm.shown()));
        }
        self.ask(vm, if how == How::Soft { "reset soft" } else { "reset hard" }).map(|_| ())
    }

    fn tools(&self, vm: &Vm) -> Tools {
        match self.ask(vm, "tools").as_deref() {
            Ok("running") => Tools::Running,
            Ok("installed") => Tools::Installed,
            _ => Tools::Unknown,
        }
    }

    fn address(&self, vm: &Vm) -> Result<Option<IpAddr>, VmError> {
        let Some(init) = Groups::of(&vm.id).init() else { return Ok(None) };
        let net = format!("--net=/proc/{init}/ns/net");
        let show = ["--", "ip", "-4", "-o", "addr", "show", "dev", cable::NIC, "scope", "global"];
        let out =
            Local.run(&Cmd::new("nsenter").arg(net).args(show)).map_err(Failure::exec("asking for the address"))?;
        Ok(cable::address(&out.text()))
    }

    /// A container has no drives: what is connected counts at its next boot.
    fn set_device(&self, _: &Vm, _: &Device) -> Result<(), VmError> {
        Ok(())
    }

    fn set_cable(&self, vm: &Vm, connected: bool) -> Result<(), VmError> {
        cable::set(&net::lab(&self.home)?, &vm.id, connected).map_err(Into::into)
    }

    fn forget(&self, vm: &Vm) -> Result<(), VmError> {
        self.clear(vm)?;
        self.place(vm).remove().map_err(Into::into)
    }

    fn guest(&self, vm: &Vm, program: &[String], stdin: &[u8], wait: bool) -> Result<GuestOutput, VmError> {
        guest::run(&vm.id, program, stdin, wait)
    }
}
