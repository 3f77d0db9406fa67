//! The command line of `seed-iso`.

/// Runs the program.
pub fn main() -> std::process::ExitCode {
    crate::tool::not_yet("seed-iso")
}
