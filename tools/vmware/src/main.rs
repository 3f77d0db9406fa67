//! The vmware program; everything it does is in `cli::vmware`.

fn main() -> std::process::ExitCode {
    cli::vmware::main()
}
