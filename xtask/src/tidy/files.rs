//! Sizes of source files.

use super::{Findings, repository, text};

/// A source file that is longer holds more than one idea.
const LINES: usize = 500;
/// The `main.rs` of a tool is a frame only.
const FRAME: usize = 12;

/// Files that are too long.
pub(super) fn sizes() -> Findings {
    let mut found = Vec::new();
    for path in repository()? {
        let source = path.extension().is_some_and(|e| ["rs", "go", "sh"].iter().any(|s| e == *s));
        let Some(text) = text(&path).filter(|_| source) else { continue };
        let tool = path.starts_with("tools") && path.ends_with("src/main.rs");
        let most = if tool { FRAME } else { LINES };
        let lines = text.lines().count();
        if lines > most {
            found.push(format!("{}: {lines} lines, at most {most}", path.display()));
        }
    }
    Ok(found)
}
