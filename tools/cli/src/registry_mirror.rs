//! The command line of `registry-mirror`.

/// Runs the program.
pub fn main() -> std::process::ExitCode {
    crate::tool::not_yet("registry-mirror")
}
