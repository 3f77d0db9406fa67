//! The kubesphere program; everything it does is in `cli::kubesphere`.

fn main() -> std::process::ExitCode {
    cli::kubesphere::main()
}
