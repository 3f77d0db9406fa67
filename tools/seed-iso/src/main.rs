//! The seed-iso program; everything it does is in `cli::seed_iso`.

fn main() -> std::process::ExitCode {
    cli::seed_iso::main()
}
