//! The envcheck program; everything it does is in `cli::envcheck`.

fn main() -> std::process::ExitCode {
    cli::envcheck::main()
}
