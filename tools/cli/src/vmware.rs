//! The command line of `vmware`.

/// Runs the program.
pub fn main() -> std::process::ExitCode {
    crate::tool::not_yet("vmware")
}
