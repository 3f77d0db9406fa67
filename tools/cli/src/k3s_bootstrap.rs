//! The command line of `k3s-bootstrap`.

/// Runs the program.
pub fn main() -> std::process::ExitCode {
    crate::tool::not_yet("k3s-bootstrap")
}
