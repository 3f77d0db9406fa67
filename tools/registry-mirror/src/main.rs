//! The registry-mirror program; everything it does is in `cli::registry_mirror`.

fn main() -> std::process::ExitCode {
    cli::registry_mirror::main()
}
