//! Programs inside a node that runs: in its namespaces and its control groups.

use std::path::Path;
use std::time::Duration;

use machine::{Cmd, Local};

use super::groups::Groups;
use crate::Failure;
use crate::engine::GuestOutput;
use crate::vm_error::VmError;

/// As long as the caller waits; a program in a guest may take its time.
const LONGEST: Duration = Duration::from_secs(24 * 3600);
const PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Runs a program inside, as root; without `wait` it is only started.
pub(super) fn run(id: &str, program: &[String], stdin: &[u8], wait: bool) -> Result<GuestOutput, VmError> {
    let exe = std::env::current_exe().map_err(Failure::host("finding this program"))?;
    let cmd = Cmd::new(exe).args(["__inside", id]).args(program);
    let failed = || Failure::exec("running a program in the guest");
    if !wait {
        Local.start(&cmd, Path::new("/dev/null")).map_err(failed())?;
        return Ok(GuestOutput::default());
    }
    let out = Local.run(&cmd.stdin(stdin).timeout(LONGEST)).map_err(failed())?;
    Ok(GuestOutput { code: out.code, stdout: out.stdout })
}

/// `__inside ID PROGRAM ARGS`: becomes the program, inside.
pub(crate) fn become_inside(args: &[String]) -> Result<(), Failure> {
    let [id, program @ ..] = args else { return Err(Failure::Usage { what: "__inside ID PROGRAM ARGS".into() }) };
    let groups = Groups::of(id);
    let init = groups.init().ok_or_else(|| Failure::host("entering the guest")("it has ended"))?;
    groups.enter_beside(init)?;
    let cmd = Cmd::new("env")
        .args(["-i", PATH, "LANG=C.UTF-8", "HOME=/root", "nsenter", "--target"])
        .arg(init.to_string())
        .args(["--mount", "--pid", "--net", "--uts", "--ipc", "--cgroup", "--"])
        .args(program);
    Err(Failure::exec("running a program in the guest")(Local.replace(&cmd)))
}
