//! Writes the bill of materials of one program: `sbom METADATA CARGO_LOCK RUST PROGRAM OUTPUT`. METADATA is a file with
//! what `cargo metadata` printed, RUST the compiler's release. Ends with 1 where the program has code of a crate that the
//! bill does not name.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use artifacts::spdx::{Built, program, unlisted};

#[allow(clippy::print_stderr, reason = "an example is a program")]
fn main() -> ExitCode {
    let words: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let [metadata, lock, rust, built, output] = &words[..] else {
        eprintln!("sbom METADATA CARGO_LOCK RUST PROGRAM OUTPUT");
        return ExitCode::from(2);
    };
    match write(metadata, lock, &rust.display().to_string(), built, output) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("{}: {why}", built.display());
            ExitCode::FAILURE
        }
    }
}

fn write(metadata: &Path, lock: &Path, rust: &str, built: &Path, output: &Path) -> Result<(), String> {
    let read = |path: &Path| fs::read(path).map_err(|e| format!("{}: {e}", path.display()));
    let name = built.file_stem().unwrap_or_default().to_string_lossy();
    let bytes = read(built)?;
    let lock = String::from_utf8_lossy(&read(lock)?).into_owned();
    let bill =
        program(&read(metadata)?, &lock, &Built { name: &name, bytes: &bytes, rust }).map_err(|e| e.to_string())?;
    let missing = unlisted(&bytes, &bill);
    if !missing.is_empty() {
        let missing: Vec<String> = missing.into_iter().collect();
        return Err(format!("it holds crates that its bill does not name: {}", missing.join(", ")));
    }
    fs::write(output, bill).map_err(|e| format!("{}: {e}", output.display()))
}
