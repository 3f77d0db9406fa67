//! The command line of `kubecfg`.

/// Runs the program.
pub fn main() -> std::process::ExitCode {
    crate::tool::not_yet("kubecfg")
}
