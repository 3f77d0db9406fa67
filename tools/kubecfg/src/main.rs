//! The kubecfg program; everything it does is in `cli::kubecfg`.

fn main() -> std::process::ExitCode {
    cli::kubecfg::main()
}
