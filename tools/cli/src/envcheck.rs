//! The command line of `envcheck`.

/// Runs the program.
pub fn main() -> std::process::ExitCode {
    crate::tool::not_yet("envcheck")
}
