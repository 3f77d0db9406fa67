//! The qvmrun program: prints what the library answers.

fn main() -> std::process::ExitCode {
    let args: Vec<String> = std::env::args_os().skip(1).map(|a| a.to_string_lossy().into_owned()).collect();
    let reply = qvmrun::run(&args);
    let (stdout, stderr) = reply.bytes();
    let _ = std::io::Write::write_all(&mut std::io::stdout(), &stdout);
    let _ = std::io::Write::write_all(&mut std::io::stderr(), &stderr);
    reply.code.into()
}
