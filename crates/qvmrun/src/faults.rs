//! Faults on demand, for tests only: what vmrun has been seen to do wrong, and what can happen to a machine.
//!
//! `QVMRUN_TEST_FAULT` lists them: `FAULT[:COMMAND][@COUNT]`, with commas. Without a command every command of vmrun has the
//! fault; with a count only so many matching calls have it, counted in the state folder (`faults/`).

use std::fs::{self, File};
use std::io::{Read, Seek, Write};
use std::time::Duration;

use rustix::process::{Signal, getpid, getppid, kill_process};

use crate::engine::Engine;
use crate::engines::Engines;
use crate::grammar::{Call, How};
use crate::home::Home;
use crate::vm::{Vm, id_of};
use crate::vm_error::VmError;
use crate::{Failure, Reply, calls, files};

const VARIABLE: &str = "QVMRUN_TEST_FAULT";
/// Longer than any deadline.
const NEVER: Duration = Duration::from_secs(7200);
const SLOW: Duration = Duration::from_secs(20);
/// Seen on the standard error of a Linux host.
const NOISE: &str = "Warning: program compiled against libxml 210 using older 209\n";
/// Seen before the output of VMware Fusion's vmrun.
const JUNK: &str = "2015-08-31T17:57:29.547| ServiceImpl_Opener: PID 5033\n";
/// Windows' own text for a missing file: with it every answer has bytes that are not UTF-8.
const KOREAN: &str = "지정된 파일을 찾을 수 없습니다.";

/// A way to go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Never answers, and does nothing.
    Hang,
    /// Does nothing, says `Error: The operation was canceled`, and ends with exit code 0.
    ErrorExitZero,
    /// Does its work; a harmless line on standard error.
    StderrNoise,
    /// Does its work; a line of junk before the output.
    JunkFirstLine,
    /// Does its work; lines end as on Windows.
    Crlf,
    /// Does its work; answers in the code page of a Korean Windows, with Korean text in errors and on standard error.
    Cp949,
    /// `stop` takes 20 seconds longer.
    SlowStop,
    /// VMware Tools never come up.
    ToolsNever,
    /// The machine loses power right after the command.
    PowerCut,
    /// Does nothing, says `Error: The operation was canceled`.
    Canceled,
    /// Does its work, then is killed before it answers.
    DiesAfter,
}

const ALL: &[(&str, Fault)] = &[
    ("hang", Fault::Hang),
    ("error-exit-zero", Fault::ErrorExitZero),
    ("noise", Fault::StderrNoise),
    ("junk-first-line", Fault::JunkFirstLine),
    ("crlf", Fault::Crlf),
    ("cp949", Fault::Cp949),
    ("slow-stop", Fault::SlowStop),
    ("tools-never", Fault::ToolsNever),
    ("power-cut", Fault::PowerCut),
    ("canceled", Fault::Canceled),
    ("dies-after", Fault::DiesAfter),
];

/// One entry of the variable.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Switch {
    fault: Fault,
    command: Option<String>,
    count: Option<u32>,
}

fn parse(text: &str) -> Result<Vec<Switch>, Failure> {
    let one = |entry: &str| {
        let bad = || Failure::Usage { what: format!("{VARIABLE}: {entry}: not FAULT[:COMMAND][@COUNT]") };
        let (rest, count) = match entry.split_once('@') {
            Some((rest, count)) => (rest, Some(count.parse().map_err(|_| bad())?)),
            None => (entry, None),
        };
        let (name, command) = rest.split_once(':').map_or((rest, None), |(n, c)| (n, Some(c.to_owned())));
        let fault = ALL.iter().find(|(known, _)| *known == name).map(|(_, fault)| *fault).ok_or_else(bad)?;
        Ok(Switch { fault, command, count })
    };
    text.split(',').map(str::trim).filter(|entry| !entry.is_empty()).map(one).collect()
}

/// The faults that this call of `command` has.
pub(crate) fn of(home: &Home, command: &str) -> Result<Vec<Fault>, Failure> {
    let text = std::env::var(VARIABLE).unwrap_or_default();
    let mut found = Vec::new();
    for switch in parse(&text)? {
        let meant = switch.command.as_ref().is_none_or(|c| c.eq_ignore_ascii_case(command));
        if meant && due(home, &switch)? {
            found.push(switch.fault);
        }
    }
    Ok(found)
}

/// Whether the call is one of the first so many; counts it.
fn due(home: &Home, switch: &Switch) -> Result<bool, Failure> {
    let Some(most) = switch.count else { return Ok(true) };
    let dir = home.dir().join("faults");
    files::dir(&dir)?;
    let path = dir.join(id_of(std::path::Path::new(&format!("{switch:?}"))));
    let mut file = File::options().create(true).read(true).write(true).truncate(false).open(&path);
    let counted = file.as_mut().map_err(|e| e.to_string()).and_then(|file| count(file).map_err(|e| e.to_string()));
    Ok(counted.map_err(Failure::host("counting a fault"))? <= most)
}

fn count(file: &mut File) -> std::io::Result<u32> {
    file.lock()?;
    let mut text = String::new();
    file.read_to_string(&mut text)?;
    let now = text.trim().parse().unwrap_or(0_u32).saturating_add(1);
    file.rewind()?;
    write!(file, "{now}")?;
    Ok(now)
}

/// Does a call's work with its faults.
pub(crate) fn around(
    faults: &[Fault],
    home: &Home,
    args: &[String],
    call: &Call,
    work: impl FnOnce() -> Reply,
) -> Reply {
    let has = |fault| faults.contains(&fault);
    let canceled = |code| Reply { stdout: "Error: The operation was canceled\n".into(), code, ..Reply::default() };
    if has(Fault::Hang) {
        hang();
        return Reply { code: 255, ..Reply::default() };
    }
    let instead = if has(Fault::ToolsNever) { without_tools(call) } else { None };
    let mut reply = if has(Fault::ErrorExitZero) {
        canceled(0)
    } else if has(Fault::Canceled) {
        canceled(255)
    } else if let Some(reply) = instead {
        reply
    } else {
        if has(Fault::SlowStop) && matches!(call, Call::Stop { .. }) {
            std::thread::sleep(SLOW);
        }
        work()
    };
    if has(Fault::PowerCut) {
        cut_power(home, args);
    }
    if has(Fault::DiesAfter) {
        calls::record(home, args, 137);
        let _ = kill_process(getpid(), Signal::KILL);
    }
    if has(Fault::StderrNoise) {
        reply.stderr.push_str(NOISE);
    }
    if has(Fault::JunkFirstLine) {
        reply.stdout.insert_str(0, JUNK);
    }
    if has(Fault::Cp949) {
        reply.cp949 = true;
        reply.stderr.push_str(&format!("{KOREAN}\n"));
        if let Some(end) = reply.stdout.find("Error:").and_then(|at| Some(at + reply.stdout[at..].find('\n')?)) {
            reply.stdout.insert_str(end, &format!(" ({KOREAN})"));
        }
    }
    if has(Fault::Crlf) {
        reply.stdout = reply.stdout.replace('\n', "\r\n");
    }
    reply
}

/// Until the caller gives up and is gone, or kills this process.
fn hang() {
    let (begun, parent) = (std::time::Instant::now(), getppid());
    while begun.elapsed() < NEVER && getppid() == parent {
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// What a command answers whose work needs VMware Tools.
fn without_tools(call: &Call) -> Option<Reply> {
    let failed = |error: VmError| Reply { stdout: format!("Error: {error}\n"), code: 255, ..Reply::default() };
    match call {
        Call::CheckToolsState { .. } => Some(Reply::ok("unknown\n")),
        Call::GetGuestIpAddress { wait: true, .. } => Some(failed(VmError::NoAddress)),
        Call::Stop { vmx, how: How::Soft }
        | Call::Reset { vmx, how: How::Soft }
        | Call::GetGuestIpAddress { vmx, .. }
        | Call::Guest { vmx, .. } => Some(failed(VmError::NoTools(vmx.clone()))),
        _ => None,
    }
}

/// Every machine that the command line names, if it is on.
fn cut_power(home: &Home, args: &[String]) {
    let Ok(engine) = Engines::new(home) else { return };
    for vm in args.iter().filter(|a| fs::exists(a).unwrap_or(false)).filter_map(|a| Vm::open(a).ok()) {
        if engine.is_on(&vm) {
            let _ = engine.stop(&vm, How::Hard);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_public_list_is_the_list() {
        assert!(crate::FAULTS.iter().eq(ALL.iter().map(|(name, _)| name)));
    }

    #[test]
    fn the_variable() {
        let switch = |fault, command: Option<&str>, count| Switch { fault, command: command.map(String::from), count };
        assert_eq!(parse("").unwrap(), []);
        let want = [switch(Fault::Hang, Some("start"), Some(1)), switch(Fault::Crlf, None, None)];
        assert_eq!(parse("hang:start@1, crlf").unwrap(), want);
        for wrong in ["hung", "hang@", "hang:start@x"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn counted_faults_end() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::at(dir.path());
        let switch = Switch { fault: Fault::Canceled, command: None, count: Some(2) };
        let seen: Vec<bool> = (0..4).map(|_| due(&home, &switch).unwrap()).collect();
        assert_eq!(seen, [true, true, false, false]);
    }
}
