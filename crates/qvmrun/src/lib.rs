//! A vmrun-compatible front end for nodes without VMware.
//!
//! [`run`] answers one command line the way VMware's `vmrun` would: the same argument order, the same output, the
//! same exit codes, on the same `.vmx` and `.vmdk` files. How the node really runs is an engine behind one small
//! trait; a system container, or a machine in QEMU. A few verbs that `vmrun` does not have set up the host-only network
//! ([`net up`](run), `net show`, `net down`, `net exec`) and explain what the engine can prove (`limits`, `doctor`).
//!
//! The library never prints: it returns a [`Reply`], and the program `qvmrun` prints it.
//!
//! ```
//! let reply = qvmrun::run(&[]);
//! assert_ne!(reply.code, 0); // a bare call prints the usage text, as vmrun does
//! ```

mod problem;
mod reply;

#[cfg(target_os = "linux")]
mod calls;
#[cfg(target_os = "linux")]
mod child;
#[cfg(target_os = "linux")]
mod choice;
#[cfg(target_os = "linux")]
mod container;
#[cfg(target_os = "linux")]
mod control;
#[cfg(target_os = "linux")]
mod disk;
#[cfg(target_os = "linux")]
mod doctor;
#[cfg(target_os = "linux")]
mod engine;
#[cfg(target_os = "linux")]
mod engines;
#[cfg(target_os = "linux")]
mod faults;
#[cfg(target_os = "linux")]
mod files;
#[cfg(target_os = "linux")]
mod front;
#[cfg(target_os = "linux")]
mod grammar;
#[cfg(target_os = "linux")]
mod home;
#[cfg(target_os = "linux")]
mod limits;
#[cfg(target_os = "linux")]
mod needs;
#[cfg(target_os = "linux")]
mod net;
#[cfg(target_os = "linux")]
mod place;
#[cfg(target_os = "linux")]
mod qemu;
#[cfg(target_os = "linux")]
mod session;
#[cfg(target_os = "linux")]
mod usage;
#[cfg(target_os = "linux")]
mod verbs;
#[cfg(target_os = "linux")]
mod vm;
#[cfg(target_os = "linux")]
mod vm_error;
#[cfg(target_os = "linux")]
mod vmsd;
#[cfg(target_os = "linux")]
mod vmware_log;
#[cfg(target_os = "linux")]
mod wait;

#[cfg(target_os = "linux")]
pub use front::run;
pub use problem::{Failure, PROBLEMS};
pub use reply::Reply;

/// Debian packages that the container engine needs on the host. Machines need `qemu-system-x86` and `ovmf`.
pub const PACKAGES: &[&str] =
    &["iproute2", "lxcfs", "mount", "procps", "qemu-utils", "systemd-container", "util-linux"];

/// The faults that `QVMRUN_TEST_FAULT` can name, for tests only: `FAULT[:COMMAND][@COUNT]`, several with commas.
///
/// `hang`: never answers, does nothing. `error-exit-zero`: does nothing, says `Error:`, exit code 0. `noise`: a line on
/// standard error. `junk-first-line`: a line before the output. `crlf`: Windows' line ends. `cp949`: output in code page
/// 949, with Korean text. `slow-stop`: `stop` takes 20 s longer. `tools-never`: as without VMware Tools. `power-cut`: the
/// machine loses power right after the command. `canceled`: does nothing, says `Error:`. `dies-after`: does its work, then
/// is killed before it answers.
pub const FAULTS: &[&str] = &[
    "hang",
    "error-exit-zero",
    "noise",
    "junk-first-line",
    "crlf",
    "cp949",
    "slow-stop",
    "tools-never",
    "power-cut",
    "canceled",
    "dies-after",
];

/// Answers one command line. On this system there is no engine: the answer says so.
#[cfg(not(target_os = "linux"))]
pub fn run(_args: &[String]) -> Reply {
    Reply::failed(&Failure::LinuxOnly)
}
