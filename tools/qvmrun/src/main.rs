//! The qvmrun program; everything it does is in `cli::qvmrun`.

fn main() -> std::process::ExitCode {
    cli::qvmrun::main()
}
