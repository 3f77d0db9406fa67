//! The command line of `timesync`.

/// Runs the program.
pub fn main() -> std::process::ExitCode {
    crate::tool::not_yet("timesync")
}
