//! All engines behind one: what runs is driven by the engine that runs it, what is started is given to the chosen one.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use crate::Failure;
use crate::choice::{self, Choice};
use crate::container::Container;
use crate::engine::{Engine, GuestOutput, Kind, Tools};
use crate::grammar::How;
use crate::home::Home;
use crate::place::Place;
use crate::qemu::Qemu;
use crate::vm::{Device, Vm};
use crate::vm_error::VmError;

#[derive(Debug)]
pub(crate) struct Engines {
    home: Home,
    wanted: Option<Kind>,
    container: Container,
    qemu: Qemu,
}

impl Engines {
    /// With `QVMRUN_ENGINE` for what will be started.
    pub(crate) fn new(home: &Home) -> Result<Self, Failure> {
        let wanted = choice::wanted()?;
        Ok(Self { home: home.clone(), wanted, container: Container::new(home), qemu: Qemu::new(home) })
    }

    fn all(&self) -> [&dyn Engine; 2] {
        [&self.container, &self.qemu]
    }

    /// The engine that runs the machine, or ran it last.
    fn of(&self, vm: &Vm) -> &dyn Engine {
        let on = self.all().into_iter().find(|engine| engine.is_on(vm));
        on.unwrap_or_else(|| match Place::of(&self.home, &vm.id).engine() {
            Some(Kind::Tcg | Kind::Kvm) => &self.qemu,
            _ => &self.container,
        })
    }
}

impl Engine for Engines {
    fn running(&self) -> Vec<String> {
        let mut paths: Vec<String> = self.all().into_iter().flat_map(Engine::running).collect();
        paths.sort();
        paths.dedup();
        paths
    }

    fn is_on(&self, vm: &Vm) -> bool {
        self.all().into_iter().any(|engine| engine.is_on(vm))
    }

    fn start(&self, vm: &Vm) -> Result<(), VmError> {
        let suspended = vm.suspended().is_some();
        // Its memory is of use to the engine that wrote it only.
        let before = Place::of(&self.home, &vm.id).engine().filter(|kind| suspended && *kind != Kind::Container);
        let Choice { kind, .. } = choice::choose(self.wanted.or(before), suspended)?;
        match kind {
            Kind::Container => self.container.start(vm),
            Kind::Tcg | Kind::Kvm => self.qemu.power_on(vm, kind),
        }
    }

    fn stop(&self, vm: &Vm, how: How) -> Result<(), VmError> {
        self.of(vm).stop(vm, how)
    }

    fn reset(&self, vm: &Vm, how: How) -> Result<(), VmError> {
        self.of(vm).reset(vm, how)
    }

    fn tools(&self, vm: &Vm) -> Tools {
        self.of(vm).tools(vm)
    }

    fn address(&self, vm: &Vm) -> Result<Option<IpAddr>, VmError> {
        self.of(vm).address(vm)
    }

    fn set_device(&self, vm: &Vm, device: &Device) -> Result<(), VmError> {
        self.of(vm).set_device(vm, device)
    }

    fn set_cable(&self, vm: &Vm, connected: bool) -> Result<(), VmError> {
        self.of(vm).set_cable(vm, connected)
    }

    fn forget(&self, vm: &Vm) -> Result<(), VmError> {
        self.all().into_iter().try_for_each(|engine| engine.forget(vm))
    }

    fn pause(&self, vm: &Vm, paused: bool) -> Result<(), VmError> {
        self.of(vm).pause(vm, paused)
    }

    fn suspend(&self, vm: &Vm, memory: &Path) -> Result<(), VmError> {
        self.of(vm).suspend(vm, memory)
    }

    fn snapshot_live(&self, vm: &Vm, memory: &Path, overlays: &[(Device, PathBuf)]) -> Result<(), VmError> {
        self.of(vm).snapshot_live(vm, memory, overlays)
    }

    fn guest(&self, vm: &Vm, program: &[String], stdin: &[u8], wait: bool) -> Result<GuestOutput, VmError> {
        self.of(vm).guest(vm, program, stdin, wait)
    }

    fn screen(&self, vm: &Vm, png: &Path) -> Result<(), VmError> {
        self.of(vm).screen(vm, png)
    }
}
