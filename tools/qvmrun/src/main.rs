//! The qvmrun program: prints what the library answers.

use std::io::Write;
use std::process::ExitCode;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args_os().skip(1).map(|a| a.to_string_lossy().into_owned()).collect();
    let reply = qvmrun::run(&args);
    let (stdout, stderr) = reply.bytes();
    let _ = std::io::stdout().write_all(&stdout);
    let _ = std::io::stderr().write_all(&stderr);
    ExitCode::from(reply.code)
}
