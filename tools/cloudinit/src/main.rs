//! The cloudinit program; everything it does is in `cli::cloudinit`.

fn main() -> std::process::ExitCode {
    cli::cloudinit::main()
}
