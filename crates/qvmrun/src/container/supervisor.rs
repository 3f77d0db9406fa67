//! One process per machine: it does what a machine's hardware and firmware would do, from power-on to power-off.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use machine::{Background, Cmd, Local};

use super::boot::{self, Boot, Medium};
use super::cable::Cable;
use super::disk::Storage;
use super::groups::Groups;
use super::lxcfs::Lxcfs;
use super::nspawn::{Bind, Node};
use crate::child::child;
use crate::home::Home;
use crate::place::Place;
use crate::vm::Vm;
use crate::vm_error::VmError;
use crate::wait::until;
use crate::{Failure, control, files, net, session};

/// Put before a node's own init.
const PREINIT: &str = include_str!("../../guest/preinit");
/// systemd-nspawn's exit code when the node asked for a reboot.
const REBOOT: i32 = 133;
/// systemd takes SIGRTMIN+4 for "power off" and SIGRTMIN+5 for "reboot"; glibc's SIGRTMIN is 34.
const POWER_OFF: i32 = 38;
const RESTART: i32 = 39;

/// What vmrun asked for and the node has not done yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wish {
    Off,
    Reset,
}

#[derive(Debug, Default)]
struct State {
    medium: Option<Medium>,
    wish: Option<Wish>,
}

type Shared = Arc<Mutex<State>>;

fn lock(shared: &Shared) -> MutexGuard<'_, State> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// `__supervise VMX`: runs one machine until it is off. Is started in a mount namespace of its own.
pub(crate) fn supervise(vmx: &str) -> Result<(), Failure> {
    session::hold(vmx, |vm, home, place, told| {
        cover()?;
        let groups = Groups::of(&vm.id);
        let result = run(vm, home, place, &groups, told);
        let _ = groups.kill();
        groups.remove();
        result
    })
}

/// systemd-nspawn keeps a folder per machine name here and, where /run is not in memory, leaves it behind: in this mount
/// namespace it is a file system of its own.
fn cover() -> Result<(), Failure> {
    let dir = std::path::Path::new("/run/systemd/nspawn");
    files::dir(dir)?;
    rustix::mount::mount("tmpfs", dir, "tmpfs", rustix::mount::MountFlags::empty(), None)
        .map_err(Failure::host("covering /run/systemd/nspawn"))
}

fn run(vm: &Vm, home: &Home, place: &Place, groups: &Groups, told: &mut bool) -> Result<(), VmError> {
    groups.make(vm.memory_mib(), vm.cpus())?;
    let lab = vm.vmx.is_true("ethernet0.present").then(|| net::lab(home)).transpose()?;
    let storage = vm.disk().map(|disk| Storage::open(&disk.file, place)).transpose()?;
    let lxcfs = Lxcfs::start(place)?;
    let cable = Cable::plug(vm, lab.as_ref(), place)?;
    let shared = Shared::default();
    let (answering, answered) = (shared.clone(), groups.clone());
    control::serve(place, move |request| answer(request, &answering, &answered))?;
    let path = vm.shown();
    for count in 1.. {
        let now = Vm::open(&path)?; // media may have been changed since
        let boot = boot::choose(&now, storage.as_ref(), home, place)?;
        lock(&shared).medium = Some(boot.medium);
        let node = start(&now, &boot, &lxcfs, &cable, place, groups, count)?;
        if !*told {
            files::save(&place.outcome(), "ok\n")?;
            *told = true;
        }
        let code = wait(&node);
        let wish = {
            let mut state = lock(&shared);
            state.medium = None;
            state.wish.take()
        };
        groups.kill()?;
        drop(boot);
        if !goes_on(wish, code) {
            break;
        }
    }
    Ok(())
}

/// Whether the machine boots again after its node ended.
fn goes_on(wish: Option<Wish>, code: i32) -> bool {
    match wish {
        Some(Wish::Reset) => true,
        Some(Wish::Off) => false,
        None => code == REBOOT,
    }
}

fn wait(node: &Background) -> i32 {
    loop {
        if let Some(code) = node.ended() {
            return code;
        }
        thread::sleep(Duration::from_millis(50));
    }
}

fn start(
    vm: &Vm,
    boot: &Boot,
    lxcfs: &Lxcfs,
    cable: &Cable,
    place: &Place,
    groups: &Groups,
    count: u32,
) -> Result<Background, VmError> {
    let (preinit, cmdline) = (place.dir().join("preinit"), place.dir().join("cmdline"));
    machine::write_file(&preinit, PREINIT.as_bytes(), 0o755).map_err(Failure::host("writing the pre-init"))?;
    let line = format!("{}\n", boot.cmdline);
    machine::write_file(&cmdline, line.as_bytes(), 0o644).map_err(Failure::host("writing the command line"))?;
    let mut binds = vec![
        Bind::read_only(preinit, "/run/qvmrun/init"),
        Bind::read_only(cmdline, "/run/qvmrun/cmdline"),
        Bind::read_only(lxcfs.proc(), "/run/qvmrun/lxcfs"),
        Bind::writable("/dev/null", "/dev/kmsg"),
        Bind::writable("/dev/fuse", "/dev/fuse"),
    ];
    binds.extend(boot.binds.iter().cloned());
    let name = vm.name();
    let medium = boot.medium.word();
    let node = Node { name: &name, root: boot.root.dir(), network: cable.namespace(), binds: &binds, medium };
    let cmd = groups.wrap(&node.cmd(), count, vm.memory_mib(), vm.cpus())?;
    let console = vm.serial_log().unwrap_or_else(|| place.dir().join("console.log"));
    let node = Local.start(&child(&cmd, Some(&vm.id))?, &console).map_err(Failure::exec("starting the node"))?;
    until(Duration::from_secs(20), || groups.init().is_some() || node.ended().is_some());
    if let Some(code) = node.ended().filter(|code| *code != 0 && *code != REBOOT) {
        let console = console.display();
        return Err(VmError::NotStarted(format!("the node ended at once with exit code {code}; see {console}")));
    }
    Ok(node)
}

/// What vmrun is answered. The word after `ok` or the whole word is for `checkToolsState`.
fn answer(request: &str, shared: &Shared, groups: &Groups) -> String {
    let mut state = lock(shared);
    match request {
        "tools" => tools(&state, groups).into(),
        "stop soft" => signal(groups, POWER_OFF),
        "reset soft" => signal(groups, RESTART),
        "stop hard" | "reset hard" => {
            state.wish = Some(if request == "stop hard" { Wish::Off } else { Wish::Reset });
            drop(state);
            groups.kill().map_or_else(|f| f.to_string(), |()| "ok".into())
        }
        other => format!("unknown request {other}"),
    }
}

/// `running` once the installed system's own init has taken over; an installer has no Tools.
fn tools(state: &State, groups: &Groups) -> &'static str {
    match (state.medium, groups.init()) {
        (Some(Medium::Disk), Some(init)) => {
            let name = std::fs::read_to_string(format!("/proc/{init}/comm")).unwrap_or_default();
            if name.trim() == "systemd" { "running" } else { "installed" }
        }
        _ => "unknown",
    }
}

/// Real-time signals have no names that every `kill` knows: by number.
fn signal(groups: &Groups, number: i32) -> String {
    let Some(init) = groups.init() else { return "no init".into() };
    let sent = Local.run_ok(&Cmd::new("kill").arg(format!("-{number}")).arg(init.to_string()));
    sent.map_or_else(|e| e.to_string(), |_| "ok".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reboot_or_a_reset_goes_on_and_everything_else_ends() {
        assert!(goes_on(None, REBOOT) && goes_on(Some(Wish::Reset), 137));
        assert!(!goes_on(None, 0) && !goes_on(None, 137) && !goes_on(Some(Wish::Off), REBOOT));
    }
}
