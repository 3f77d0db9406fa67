//! Commands that act inside a guest: each is one small shell script there, run as the user of `-gu`.
//!
//! Nobody here can check the password of `-gp`: a user that exists is let in.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{Read, Write};

use super::on;
use crate::engine::{Engine, GuestOutput, Tools};
use crate::grammar::GuestOp;
use crate::vm::Vm;
use crate::vm_error::VmError;

/// Copies go in parts of this size: engines carry them in messages.
const PART: usize = 2 << 20;

/// What scripts say with their exit code.
const ANSWERS: [(i32, VmError); 6] = [
    (81, VmError::NoFile),
    (82, VmError::FileDenied),
    (83, VmError::FileExists),
    (84, VmError::NotAFile),
    (85, VmError::NotADirectory),
    (86, VmError::NoProcess),
];

/// Process id, owner and command line of every process; not every guest has a `ps` that can do it.
const PROCESSES: &str = "ps -eww -o pid= -o user:32= -o args= 2>/dev/null || for p in /proc/[0-9]*; do \
    c=$(tr '\\0' ' ' < $p/cmdline) && echo \"${p#/proc/} $(stat -c %U $p) ${c:-[$(cat $p/comm)]}\"; done 2>/dev/null";

/// Of a shell that has `$1`: its file is there, or the script ends.
const THERE: &str = "[ -e \"$1\" ] || [ -L \"$1\" ] || exit 81; ";

pub(super) fn perform(engine: &dyn Engine, vmx: &str, user: Option<&str>, op: &GuestOp) -> Result<String, VmError> {
    let vm = on(engine, vmx)?;
    if *op == GuestOp::TypeKeystrokes {
        return Err(VmError::HostDenied); // what real hosts answer
    }
    let guest = Guest::login(engine, &vm, user)?;
    let path_only = |script: &str, path: &str| guest.script(script, &[path], &[]).map(|_| String::new());
    match op {
        GuestOp::RunProgram { interactive: true, .. } | GuestOp::RunScript { interactive: true, .. } => {
            Err(VmError::NotAtConsole)
        }
        GuestOp::RunProgram { wait, program, args, .. } => guest.program(program, args, *wait),
        GuestOp::RunScript { wait, interpreter, script, .. } => guest.run_script(interpreter, script, *wait),
        GuestOp::FileExists { path } => guest.exists(path, "-f", "file"),
        GuestOp::DirectoryExists { path } => guest.exists(path, "-d", "directory"),
        GuestOp::ListProcesses => guest.processes(),
        GuestOp::KillProcess { pid } => path_only(
            "kill -0 \"$1\" 2>/dev/null || { [ -d \"/proc/$1\" ] && exit 82; exit 86; }; kill \"$1\" || exit 82; n=0; \
             while kill -0 \"$1\" 2>/dev/null; do n=$((n+1)); [ $n -gt 50 ] && kill -9 \"$1\"; [ $n -gt 99 ] && exit 82; \
             sleep 0.1; done; exit 0",
            &pid.to_string(),
        ),
        GuestOp::DeleteFile { path } => {
            path_only(&format!("{THERE}[ -d \"$1\" ] && exit 84; rm -f -- \"$1\" 2>/dev/null || exit 82"), path)
        }
        GuestOp::CreateDirectory { path } => path_only(
            "[ -e \"$1\" ] && exit 83; [ -d \"$(dirname -- \"$1\")\" ] || exit 81; mkdir -- \"$1\" 2>/dev/null || exit 82",
            path,
        ),
        GuestOp::DeleteDirectory { path } => {
            path_only(&format!("{THERE}[ -d \"$1\" ] || exit 85; rm -rf -- \"$1\" 2>/dev/null || exit 82"), path)
        }
        GuestOp::ListDirectory { path } => {
            let script = format!("{THERE}[ -d \"$1\" ] || exit 85; ls -A1 -- \"$1\" 2>/dev/null || exit 82");
            Ok(listed("Directory list", &guest.script(&script, &[path], &[])?))
        }
        GuestOp::RenameFile { from, to } => {
            let script = format!("{THERE}[ -e \"$2\" ] && exit 83; mv -- \"$1\" \"$2\" 2>/dev/null || exit 82");
            guest.script(&script, &[from, to], &[]).map(|_| String::new())
        }
        GuestOp::CreateTempFile => guest.script("mktemp /tmp/vmware-XXXXXXXX", &[], &[]),
        GuestOp::CopyToGuest { host, guest: path } => guest.copy_in(host, path),
        GuestOp::CopyFromGuest { guest: path, host } => guest.copy_out(path, host),
        GuestOp::CaptureScreen { host } => {
            engine.screen(&vm, &std::path::absolute(host).map_err(|_| VmError::BadParameter)?).map(|()| String::new())
        }
        GuestOp::TypeKeystrokes => Err(VmError::HostDenied),
    }
}

/// The header line with the number of rows, then the rows.
fn listed(header: &str, rows: &str) -> String {
    format!("{header}: {}\n{rows}", rows.lines().count())
}

/// A machine that is on, and a user in it.
pub(super) struct Guest<'a> {
    engine: &'a dyn Engine,
    vm: &'a Vm,
    user: &'a str,
}

impl<'a> Guest<'a> {
    pub(super) fn login(engine: &'a dyn Engine, vm: &'a Vm, user: Option<&'a str>) -> Result<Self, VmError> {
        if engine.tools(vm) != Tools::Running {
            return Err(VmError::NoTools(vm.shown()));
        }
        let user = user.filter(|u| !u.is_empty()).ok_or(VmError::Anonymous)?;
        let plain = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
        if !user.chars().all(plain) || user.starts_with('-') {
            return Err(VmError::BadLogin);
        }
        let guest = Self { engine, vm, user };
        let known = user == "root" || guest.as_root(&["id", "-u", user])?.code == 0;
        if known { Ok(guest) } else { Err(VmError::BadLogin) }
    }

    fn as_root(&self, words: &[&str]) -> Result<GuestOutput, VmError> {
        let words: Vec<String> = words.iter().map(|w| (*w).to_owned()).collect();
        self.engine.guest(self.vm, &words, &[], true)
    }

    /// A script as the user, with its arguments as `$1` and so on.
    fn sh(&self, script: &str, args: &[&str], stdin: &[u8], wait: bool) -> Result<GuestOutput, VmError> {
        let user = self.user;
        let mut words: Vec<&str> = if user == "root" { vec![] } else { vec!["runuser", "-u", user, "--"] };
        let script = format!("eval HOME=~{user}; USER={user}; LOGNAME={user}; export HOME USER LOGNAME; {script}");
        words.extend(["sh", "-c", &script, "sh"]);
        words.extend(args);
        let words: Vec<String> = words.into_iter().map(str::to_owned).collect();
        self.engine.guest(self.vm, &words, stdin, wait)
    }

    /// The same, for scripts of ours: their output, or what their exit code means.
    pub(super) fn script(&self, script: &str, args: &[&str], stdin: &[u8]) -> Result<String, VmError> {
        Ok(String::from_utf8_lossy(&self.bytes(script, args, stdin)?).into_owned())
    }

    fn bytes(&self, script: &str, args: &[&str], stdin: &[u8]) -> Result<Vec<u8>, VmError> {
        let out = self.sh(script, args, stdin, true)?;
        if out.code == 0 {
            return Ok(out.stdout);
        }
        let answer = ANSWERS.into_iter().find(|(code, _)| *code == out.code).map(|(_, error)| error);
        Err(answer.unwrap_or(VmError::FileDenied))
    }

    fn exists(&self, path: &str, test: &str, what: &str) -> Result<String, VmError> {
        let there = self.sh(&format!("[ {test} \"$1\" ]"), &[path], &[], true)?.code == 0;
        Ok(format!("The {what} {}.\n", if there { "exists" } else { "does not exist" }))
    }

    /// VMware hands the arguments over as one string, which a shell of the guest takes apart.
    fn program(&self, program: &str, args: &[String], wait: bool) -> Result<String, VmError> {
        let found = self.sh(
            "[ -e \"$1\" ] || command -v \"$1\" || exit 81; [ -d \"$1\" ] && exit 82; \
             case \"$1\" in */*) [ -x \"$1\" ] || exit 82;; esac",
            &[program],
            &[],
            true,
        )?;
        if let Some((_, error)) = ANSWERS.into_iter().find(|(code, _)| *code == found.code) {
            return Err(error);
        }
        self.finish(&self.sh(&format!("exec \"$1\" {} >/dev/null 2>&1", args.join(" ")), &[program], &[], wait)?, wait)
    }

    /// VMware puts the script into a file and gives the interpreter its name.
    fn run_script(&self, interpreter: &str, script: &str, wait: bool) -> Result<String, VmError> {
        let put = "umask 077; t=$(mktemp /tmp/vmware-XXXXXXXX) && cat > \"$t\" && chmod 700 \"$t\" && echo \"$t\"";
        let file = self.script(put, &[], script.as_bytes())?;
        let run = format!("{interpreter} \"$1\" >/dev/null 2>&1; code=$?; rm -f -- \"$1\"; exit $code");
        self.finish(&self.sh(&run, &[file.trim()], &[], wait)?, wait)
    }

    fn finish(&self, out: &GuestOutput, wait: bool) -> Result<String, VmError> {
        if wait && out.code != 0 { Err(VmError::GuestExit(out.code)) } else { Ok(String::new()) }
    }

    fn processes(&self) -> Result<String, VmError> {
        let rows = self.script(PROCESSES, &[], &[])?;
        let mut text = String::new();
        for row in rows.lines() {
            let (pid, rest) = row.trim_start().split_once(' ').unwrap_or((row, ""));
            let (owner, cmd) = rest.trim_start().split_once(' ').unwrap_or((rest, ""));
            let _ = writeln!(text, "pid={pid}, owner={owner}, cmd={}", cmd.trim());
        }
        Ok(listed("Process list", &text))
    }

    fn copy_in(&self, host: &str, path: &str) -> Result<String, VmError> {
        let file = File::open(host).map_err(|_| VmError::NoFile)?;
        let check =
            "[ -d \"$1\" ] && exit 84; [ -d \"$(dirname -- \"$1\")\" ] || exit 81; : 2>/dev/null > \"$1\" || exit 82";
        self.script(check, &[path], &[])?;
        let mut part = Vec::with_capacity(PART);
        while (&file).take(PART as u64).read_to_end(&mut part).map_err(|_| VmError::HostDenied)? > 0 {
            self.script("cat >> \"$1\" || exit 82", &[path], &part)?;
            part.clear();
        }
        Ok(String::new())
    }

    fn copy_out(&self, path: &str, host: &str) -> Result<String, VmError> {
        let check = format!("{THERE}[ -d \"$1\" ] && exit 84; [ -r \"$1\" ] || exit 82");
        self.script(&check, &[path], &[])?;
        let mut file = File::create(host).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => VmError::NoFile,
            _ => VmError::HostDenied,
        })?;
        for n in 0_u64.. {
            let script = format!("dd if=\"$1\" bs={PART} skip={n} count=1 2>/dev/null || exit 82");
            let bytes = self.bytes(&script, &[path], &[]).inspect_err(|_| drop(fs::remove_file(host)))?;
            file.write_all(&bytes).map_err(|_| VmError::HostDenied)?;
            if bytes.len() < PART {
                break;
            }
        }
        Ok(String::new())
    }
}
