//! The k3s-bootstrap program; everything it does is in `cli::k3s_bootstrap`.

fn main() -> std::process::ExitCode {
    cli::k3s_bootstrap::main()
}
