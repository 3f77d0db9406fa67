//! Shell scripts pass shellcheck, Go files are formatted.

use std::path::{Path, PathBuf};

use machine::{Cmd, Local};
use steps::chain;

use super::{Findings, repository, text};
use crate::say;

/// What shellcheck says about the scripts of this repository.
pub(super) fn shell() -> Findings {
    let scripts: Vec<PathBuf> = repository()?.into_iter().filter(|p| is_script(p)).collect();
    match Local.run(&Cmd::new("shellcheck").args(["--format", "gcc"]).args(scripts)) {
        Err(machine::ExecError::NotFound { .. }) => not_here("shellcheck"),
        Err(error) => Err(chain(&error)),
        Ok(out) => Ok(lines(&out.text())),
    }
}

fn is_script(path: &Path) -> bool {
    let shebang = |text: String| {
        let first = text.lines().next().unwrap_or_default();
        first.starts_with("#!") && (first.ends_with("/sh") || first.ends_with("bash") || first.ends_with("/dash"))
    };
    path.extension().is_some_and(|e| e == "sh") || (path.extension().is_none() && text(path).is_some_and(shebang))
}

/// Go files that gofmt would write otherwise.
pub(super) fn go() -> Findings {
    let files: Vec<PathBuf> = repository()?.into_iter().filter(|p| p.extension().is_some_and(|e| e == "go")).collect();
    if files.is_empty() {
        return Ok(Vec::new());
    }
    for program in ["gofmt", "/usr/lib/go-1.19/bin/gofmt"] {
        match Local.run(&Cmd::new(program).arg("-l").args(&files)) {
            Err(machine::ExecError::NotFound { .. }) => {}
            Err(error) => return Err(chain(&error)),
            Ok(out) => return Ok(lines(&format!("{}\n{}", out.text(), out.error_text()))),
        }
    }
    not_here("gofmt")
}

fn lines(text: &str) -> Vec<String> {
    text.lines().filter(|l| !l.trim().is_empty()).map(str::to_owned).collect()
}

/// A tool that is not installed is no finding; it is said.
fn not_here(tool: &str) -> Findings {
    say::line(&format!("  {tool} is not installed: not checked"));
    Ok(Vec::new())
}
