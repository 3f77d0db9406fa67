//! Reading the host. Nothing here changes anything.

use std::path::{Path, PathBuf};

use machine::{Cmd, Local};

/// The text of a file; nothing when it cannot be read.
pub(crate) fn read(path: &str) -> Option<String> {
    std::fs::read_to_string(path).ok()
}

/// What a program prints, whatever its exit code; nothing when it does not run.
pub(crate) fn prints(program: &str, args: &[&str]) -> Option<String> {
    Local.run(&Cmd::new(program).args(args.iter().copied()).env("LC_ALL", "C")).ok().map(|out| out.text())
}

/// The nearest folder above (or at) `path` that exists.
pub(crate) fn existing(path: &Path) -> PathBuf {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    absolute.ancestors().find(|p| p.exists()).map_or_else(|| PathBuf::from("/"), Path::to_owned)
}
