//! vmrun's commands, done by an engine.

mod adapters;
mod clone;
mod delete;
mod guest;
mod snapshot;
mod variables;

use std::fmt::Write;
use std::time::{Duration, Instant};

use crate::engine::{Engine, Tools};
use crate::grammar::Call;
use crate::home::Home;
use crate::net;
use crate::vm::Vm;
use crate::vm_error::VmError;
use crate::vmware_log;
use variables::Variable;

/// `getGuestIPAddress -wait` gives up after this.
const ADDRESS_WAIT: Duration = Duration::from_secs(300);

/// Virtual hardware of Workstation 17.5.
const NEWEST: u32 = 21;

/// Does one command and gives back what vmrun prints.
pub(crate) fn perform(call: &Call, home: &Home, engine: &dyn Engine) -> Result<String, VmError> {
    match call {
        Call::List => Ok(list(&engine.running())),
        Call::ListHostNetworks => Ok(net::host_networks(home)),
        Call::Start { vmx } => start(home, engine, vmx),
        Call::Stop { vmx, how } => engine.stop(&on(engine, vmx)?, *how).map(|()| String::new()),
        Call::Reset { vmx, how } => engine.reset(&on(engine, vmx)?, *how).map(|()| String::new()),
        Call::CheckToolsState { vmx } => {
            let vm = Vm::open(vmx)?;
            let state = if engine.is_on(&vm) { engine.tools(&vm) } else { Tools::Unknown };
            Ok(format!("{}\n", state.word()))
        }
        Call::GetGuestIpAddress { vmx, wait } => address(engine, &on(engine, vmx)?, *wait),
        Call::Suspend { vmx } => suspend(home, engine, vmx),
        Call::Pause { vmx, paused } => engine.pause(&on(engine, vmx)?, *paused).map(|()| String::new()),
        Call::ListSnapshots { vmx, tree } => snapshot::list(&Vm::open(vmx)?, *tree),
        Call::Snapshot { vmx, name } => snapshot::take(home, engine, vmx, name).map(|()| String::new()),
        Call::RevertToSnapshot { vmx, name } => snapshot::revert(home, engine, vmx, name).map(|()| String::new()),
        Call::DeleteSnapshot { vmx, name, children } => {
            snapshot::remove(home, engine, vmx, name, *children).map(|()| String::new())
        }
        Call::Clone { vmx, target, linked, snapshot, name } => {
            let wish = clone::Wish { target, linked: *linked, snapshot: snapshot.as_deref(), name: name.as_deref() };
            clone::make(home, engine, vmx, &wish).map(|()| String::new())
        }
        Call::DeleteVm { vmx } => delete::delete(home, engine, vmx).map(|()| String::new()),
        Call::SetDevice { vmx, device, connected } => set_device(engine, vmx, device, *connected),
        Call::Guest { vmx, user, op } => guest::perform(engine, vmx, user.as_deref(), op),
        Call::ReadVariable { vmx, kind, name, user } => {
            let variable = Variable { vmx, kind: *kind, name, user: user.as_deref() };
            variables::read(home, engine, &variable)
        }
        Call::WriteVariable { vmx, kind, name, value, user } => {
            let variable = Variable { vmx, kind: *kind, name, user: user.as_deref() };
            variables::write(home, engine, &variable, value).map(|()| String::new())
        }
        Call::ListNetworkAdapters { vmx } => Ok(adapters::list(&Vm::open(vmx)?)),
        Call::SetNetworkAdapter { vmx, index, kind, network } => {
            adapters::set(home, engine, vmx, *index, kind, network.as_deref()).map(|()| String::new())
        }
        Call::DeleteNetworkAdapter { vmx, index } => {
            adapters::remove(home, engine, vmx, *index).map(|()| String::new())
        }
        Call::ListPortForwardings { network } => adapters::forwardings(home, network),
        Call::UpgradeVm { vmx } => upgrade(home, engine, vmx),
        Call::InstallTools { vmx } => on(engine, vmx).and(Err(VmError::NotSupported)),
        Call::Unsupported { vmx } => {
            vmx.as_deref().map(Vm::open).transpose()?;
            Err(VmError::NotSupported)
        }
        Call::ChangePortForwardings | Call::Own(_) => Err(VmError::NotSupported),
    }
}

fn list(running: &[String]) -> String {
    let mut text = format!("Total running VMs: {}\n", running.len());
    for vmx in running {
        let _ = writeln!(text, "{vmx}");
    }
    text
}

fn on(engine: &dyn Engine, vmx: &str) -> Result<Vm, VmError> {
    let vm = Vm::open(vmx)?;
    if engine.is_on(&vm) { Ok(vm) } else { Err(VmError::Off(vmx.into())) }
}

/// A machine that no other call changes while the file is kept open.
fn hold(home: &Home, vmx: &str) -> Result<(std::fs::File, Vm), VmError> {
    let file = home.hold(&Vm::open(vmx)?.id)?;
    Ok((file, Vm::open(vmx)?))
}

fn start(home: &Home, engine: &dyn Engine, vmx: &str) -> Result<String, VmError> {
    let (_held, mut vm) = hold(home, vmx)?;
    if engine.is_on(&vm) {
        return Err(VmError::On(vmx.into()));
    }
    variables::forget(home, &vm);
    vm.fill_in();
    vm.save()?;
    engine.start(&vm).map(|()| String::new()).inspect_err(|error| {
        vmware_log::start_failed(&vm, &error.to_string());
        vm.vmx.set("cleanShutdown", "TRUE");
        let _ = vm.save();
    })
}

/// The engine has the .vmx name the memory once it is there: a call that is killed leaves a machine that is suspended
/// or one that runs on.
fn suspend(home: &Home, engine: &dyn Engine, vmx: &str) -> Result<String, VmError> {
    let (_held, vm) = hold(home, vmx)?;
    if !engine.is_on(&vm) {
        return Err(VmError::Off(vmx.into()));
    }
    let memory = format!("{}-{}.vmss", vm.stem(), vm.id);
    engine.suspend(&vm, &vm.file(&memory)).map(|()| String::new())
}

/// Raises the virtual hardware to that of Workstation 17.5.
fn upgrade(home: &Home, engine: &dyn Engine, vmx: &str) -> Result<String, VmError> {
    let (_held, mut vm) = hold(home, vmx)?;
    if engine.is_on(&vm) {
        return Err(VmError::On(vmx.into()));
    }
    if vm.number("virtualHW.version", 0) >= NEWEST {
        return Err(VmError::UpToDate);
    }
    vm.vmx.set("virtualHW.version", &NEWEST.to_string());
    vm.save().map(|()| String::new())
}

fn address(engine: &dyn Engine, vm: &Vm, wait: bool) -> Result<String, VmError> {
    let begun = Instant::now();
    loop {
        let tools = engine.tools(vm);
        if tools == Tools::Running
            && let Some(address) = engine.address(vm)?
        {
            return Ok(format!("{address}\n"));
        }
        if !wait {
            return if tools == Tools::Running { Ok("unknown\n".into()) } else { Err(VmError::NoTools(vm.shown())) };
        }
        if begun.elapsed() > ADDRESS_WAIT || !engine.is_on(vm) {
            return Err(VmError::NoAddress);
        }
        std::thread::sleep(Duration::from_millis(250));
    }
}

fn set_device(engine: &dyn Engine, vmx: &str, name: &str, connected: bool) -> Result<String, VmError> {
    let mut vm = on(engine, vmx)?;
    let word = if connected { "TRUE" } else { "FALSE" };
    if name.eq_ignore_ascii_case("ethernet0") && vm.vmx.is_true("ethernet0.present") {
        vm.vmx.set("ethernet0.startConnected", word);
        vm.save()?;
        return engine.set_cable(&vm, connected).map(|()| String::new());
    }
    let device = vm.devices().into_iter().find(|d| d.cdrom && d.name.eq_ignore_ascii_case(name));
    let mut device = device.ok_or_else(|| VmError::Device(name.into()))?;
    vm.vmx.set(&format!("{}.startConnected", device.name), word);
    vm.save()?;
    device.connected = connected;
    engine.set_device(&vm, &device).map(|()| String::new())
}
