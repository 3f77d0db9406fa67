//! The airlab program; everything it does is in `cli::airlab`.

fn main() -> std::process::ExitCode {
    cli::airlab::main()
}
