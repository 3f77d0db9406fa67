//! The timesync program; everything it does is in `cli::timesync`.

fn main() -> std::process::ExitCode {
    cli::timesync::main()
}
