//! vmrun's commands, done by an engine.

use std::fmt::Write;
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::engine::{Engine, Tools};
use crate::grammar::Call;
use crate::home::Home;
use crate::net;
use crate::vm::{Vm, beside};
use crate::vm_error::VmError;
use crate::vmware_log;

/// `getGuestIPAddress -wait` gives up after this.
const ADDRESS_WAIT: Duration = Duration::from_secs(300);

/// Does one command and gives back what vmrun prints.
pub(crate) fn perform(call: &Call, home: &Home, engine: &dyn Engine) -> Result<String, VmError> {
    match call {
        Call::List => Ok(list(&engine.running())),
        Call::ListHostNetworks => Ok(net::host_networks(home)),
        Call::Start { vmx } => start(engine, vmx),
        Call::Stop { vmx, how } => engine.stop(&on(engine, vmx)?, *how).map(|()| String::new()),
        Call::Reset { vmx, how } => engine.reset(&on(engine, vmx)?, *how).map(|()| String::new()),
        Call::CheckToolsState { vmx } => {
            let vm = Vm::open(vmx)?;
            let state = if engine.is_on(&vm) { engine.tools(&vm) } else { Tools::Unknown };
            Ok(format!("{}\n", state.word()))
        }
        Call::GetGuestIpAddress { vmx, wait } => address(engine, &on(engine, vmx)?, *wait),
        Call::DeleteVm { vmx } => delete(engine, vmx),
        Call::SetDevice { vmx, device, connected } => set_device(engine, vmx, device, *connected),
        Call::Unsupported { vmx } => {
            vmx.as_deref().map(Vm::open).transpose()?;
            Err(VmError::NotSupported)
        }
        Call::Own(_) => Err(VmError::NotSupported),
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

fn start(engine: &dyn Engine, vmx: &str) -> Result<String, VmError> {
    let mut vm = Vm::open(vmx)?;
    if engine.is_on(&vm) {
        return Err(VmError::On(vmx.into()));
    }
    vm.fill_in();
    vm.save()?;
    engine.start(&vm).map(|()| String::new()).inspect_err(|error| {
        vmware_log::start_failed(&vm, &error.to_string());
        vm.vmx.set("cleanShutdown", "TRUE");
        let _ = vm.save();
    })
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

/// Removes the machine's own files, and its folder if nothing else is in it. Its ISO files are not its own.
fn delete(engine: &dyn Engine, vmx: &str) -> Result<String, VmError> {
    let vm = Vm::open(vmx)?;
    if engine.is_on(&vm) {
        return Err(VmError::On(vmx.into()));
    }
    engine.forget(&vm)?;
    let dir = vm.dir().to_owned();
    let mut files: Vec<PathBuf> = vm.serial_log().into_iter().collect();
    for disk in vm.devices().into_iter().filter(|d| !d.cdrom) {
        files.extend(vmware::Vmdk::open(&disk.file).ok().map(|d| d.extent));
        files.push(disk.file);
    }
    files.extend(vm.vmx.get("nvram").map(|name| dir.join(name)));
    files.push(dir.join("vmware.log"));
    files.push(vm.path.with_extension("vmsd"));
    files.push(vm.path.clone());
    for file in files.iter().filter(|f| f.parent() == Some(&dir)) {
        let _ = fs::remove_dir_all(beside(file, ".lck"));
        if let Err(source) = fs::remove_file(file)
            && source.kind() != std::io::ErrorKind::NotFound
        {
            return Err(crate::Failure::File { path: file.clone(), doing: "not removed", source }.into());
        }
    }
    let _ = fs::remove_dir(&dir);
    Ok(String::new())
}
