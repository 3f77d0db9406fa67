//! A stand-in for Workstation's `vmrun` on a desktop: it answers in the forms that were recorded from real ones and lets
//! `qvmrun`, which lies beside it, run the machines. What it proves is our way of talking; not that VMware does the same.
//!
//! `WORKSTATION_HOME` names the folder of its log of calls, one JSON list of words a line.

mod forms;
mod machine_files;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use machine::{Cmd, ExecError, Local};

/// Flags of vmrun that take a value.
const FLAGS: [&str; 4] = ["-T", "-vp", "-gu", "-gp"];

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    record(&words);
    match answer(&words) {
        Ok((text, code)) => {
            // Workstation on Linux, whatever the command (packer-plugin-vmware#229).
            let _ = std::io::stderr().write_all(forms::LIBXML.as_bytes());
            let _ = std::io::stdout().write_all(text.replace('\n', "\r\n").as_bytes());
            ExitCode::from(code)
        }
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "{error}");
            ExitCode::FAILURE
        }
    }
}

/// What is printed, and the exit code.
fn answer(words: &[String]) -> Result<(String, u8), ExecError> {
    let mut rest = words;
    while let [flag, _, more @ ..] = rest
        && FLAGS.contains(&flag.as_str())
    {
        rest = more;
    }
    let Some((command, parameters)) = rest.split_first() else { return Ok((forms::banner(), 255)) };
    let vmx = parameters.first().map(Path::new).filter(|p| p.extension().is_some_and(|e| e == "vmx"));
    let before = vmx.and_then(|vmx| vmware::Vmx::load(vmx).ok());
    let out = Local.run(&Cmd::new(beside("qvmrun")).args(words).timeout(Duration::from_secs(900)))?;
    let (text, code) = (out.text(), u8::try_from(out.code).unwrap_or(255));
    let lines = if text.is_empty() { text } else { text + "\n" };
    if let (Some(vmx), 0) = (vmx, code) {
        match command.as_str() {
            "start" => machine_files::powered_on(vmx),
            "stop" => machine_files::powered_off(vmx),
            "connectNamedDevice" | "disconnectNamedDevice" => machine_files::as_before(vmx, before),
            _ => {}
        }
    }
    Ok((if command == "list" { forms::list(&lines) } else { lines }, code))
}

fn beside(program: &str) -> PathBuf {
    std::env::current_exe().unwrap_or_default().with_file_name(program)
}

fn record(words: &[String]) {
    let Some(home) = std::env::var_os("WORKSTATION_HOME") else { return };
    let line = serde_json::to_string(words).unwrap_or_default() + "\n";
    let log = std::fs::File::options().create(true).append(true).open(Path::new(&home).join("calls.log"));
    let _ = log.and_then(|mut log| log.write_all(line.as_bytes()));
}
