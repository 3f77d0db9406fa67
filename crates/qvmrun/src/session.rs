//! What every supervisor does around a machine's session, from power-on to power-off.

use std::thread;
use std::time::{Duration, Instant};

use machine::{Cmd, Local};

use crate::home::Home;
use crate::place::Place;
use crate::vm::Vm;
use crate::vm_error::VmError;
use crate::wait::until;
use crate::{Failure, files};

/// Starts a supervisor (`WRAPPER qvmrun VERB VMX`) that lives on, and waits until it says that the machine runs.
pub(crate) fn begin(wrapper: &[&str], verb: &str, vm: &Vm, home: &Home, deadline: Duration) -> Result<(), VmError> {
    let place = Place::of(home, &vm.id);
    let exe = std::env::current_exe().map_err(Failure::host("finding this program"))?;
    let cmd = Cmd::new("setsid").args(wrapper).arg(exe).arg(verb).arg(&vm.path);
    let cmd = cmd.env("QVMRUN_HOME", home.dir()).dir("/");
    Local.start(&cmd, &place.log()).map_err(Failure::exec("starting the machine's supervisor"))?;
    let begun = Instant::now();
    loop {
        if let Ok(outcome) = files::read(&place.outcome()) {
            let failed = outcome.strip_prefix("failed ");
            return failed.map_or(Ok(()), |why| {
                until(Duration::from_secs(20), || !place.is_locked());
                Err(VmError::NotStarted(why.trim_end().into()))
            });
        }
        let died = begun.elapsed() > Duration::from_secs(10) && !place.is_locked();
        if died || begun.elapsed() > deadline {
            let log = place.log().display().to_string();
            return Err(VmError::NotStarted(format!("the machine's supervisor gave no answer; see {log}")));
        }
        thread::sleep(Duration::from_millis(20));
    }
}

/// In the supervisor: holds the machine's lock and marks its .vmx as in use while `body` runs the machine. `body` sets
/// its last argument once it has written the outcome `ok`.
pub(crate) fn hold(
    vmx: &str,
    body: impl FnOnce(&Vm, &Home, &Place, &mut bool) -> Result<(), VmError>,
) -> Result<(), Failure> {
    let home = Home::from_env()?;
    let failed = |error: VmError| Failure::host("starting the machine")(error.to_string());
    let mut vm = Vm::open(vmx).map_err(failed)?;
    let place = Place::of(&home, &vm.id);
    let held = place.lock()?;
    mark_locked(&vm)?;
    let mut told = false;
    let result = body(&vm, &home, &place, &mut told);
    if let Ok(latest) = Vm::open(vmx) {
        vm = latest;
    }
    vm.vmx.set("cleanShutdown", "TRUE");
    let _ = vm.save();
    let _ = std::fs::remove_dir_all(vm.lock_dir());
    if let Err(error) = &result
        && !told
    {
        files::save(&place.outcome(), &format!("failed {error}\n"))?;
    }
    drop(held);
    result.map_err(failed)
}

/// The folder by which VMware shows that a .vmx is in use.
fn mark_locked(vm: &Vm) -> Result<(), Failure> {
    files::dir(&vm.lock_dir())?;
    files::save(&vm.lock_dir().join("M00001.lck"), &format!("qvmrun {}\n", std::process::id()))
}
