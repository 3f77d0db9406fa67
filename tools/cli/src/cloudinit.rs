//! The command line of `cloudinit`.

/// Runs the program.
pub fn main() -> std::process::ExitCode {
    crate::tool::not_yet("cloudinit")
}
