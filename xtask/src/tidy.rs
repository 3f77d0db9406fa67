//! `cargo xtask tidy`: what the compiler does not check. Every finding is one line; none stops the others.

mod budgets;
mod features;
mod files;
mod layers;
mod proofs;
mod scripts;
mod words;

use std::path::{Path, PathBuf};
use std::time::Duration;

use machine::{Cmd, Local};
use steps::chain;

use crate::Ended;
use crate::say;

/// What a check found wrong, one line each.
type Findings = Result<Vec<String>, String>;

/// A check with its name.
type Check = (&'static str, fn() -> Findings);

/// Runs every check.
pub(crate) fn run() -> Ended {
    let checks: [Check; 10] = [
        ("layers", layers::check),
        ("dependency budgets", budgets::trees),
        ("lock file", budgets::lock),
        ("features", features::check),
        ("engine names", words::engines),
        ("machine paths", words::places),
        ("file sizes", files::sizes),
        ("comparison with other tools", proofs::check),
        ("shell scripts", scripts::shell),
        ("go files", scripts::go),
    ];
    let mut wrong = 0;
    for (name, check) in checks {
        let findings = check().unwrap_or_else(|why| vec![format!("could not be checked: {why}")]);
        say::line(&format!(
            "{name}: {}",
            if findings.is_empty() { "tidy".into() } else { format!("{} findings", findings.len()) }
        ));
        for finding in &findings {
            say::line(&format!("  {finding}"));
        }
        wrong += findings.len();
    }
    Ok(u8::from(wrong > 0))
}

/// What a command printed; any exit code but 0 is an error.
fn output(cmd: Cmd) -> Result<String, String> {
    Local.run_ok(&cmd.timeout(Duration::from_secs(300))).map(|out| out.text()).map_err(|e| chain(&e))
}

/// The files of the repository that exist, as git knows them: tracked, or new and not ignored.
fn repository() -> Result<Vec<PathBuf>, String> {
    let names = output(Cmd::new("git").args(["ls-files", "--cached", "--others", "--exclude-standard", "-z"]))?;
    Ok(names.split('\0').filter(|n| !n.is_empty()).map(PathBuf::from).filter(|p| p.is_file()).collect())
}

/// The text of a file, if it is text.
fn text(path: &Path) -> Option<String> {
    std::fs::read_to_string(path).ok()
}
