//! What a machine said on its serial port.

use std::fs;
use std::path::PathBuf;

use crate::proof::{Fail, fail};

/// A serial log, read from a place in it on.
pub(crate) struct Console {
    file: PathBuf,
    from: usize,
}

impl Console {
    pub(crate) fn new(file: PathBuf) -> Self {
        Self { file, from: 0 }
    }

    /// From what was written up to now on.
    pub(crate) fn rest(&self) -> Self {
        let from = fs::metadata(&self.file).map_or(0, |m| usize::try_from(m.len()).unwrap_or(usize::MAX));
        Self { file: self.file.clone(), from }
    }

    /// The text, without terminal escapes.
    pub(crate) fn text(&self) -> String {
        let bytes = fs::read(&self.file).unwrap_or_default();
        // a log that was begun anew is read from its start
        let bytes = bytes.get(self.from..).unwrap_or(&bytes);
        plain(&String::from_utf8_lossy(bytes))
    }

    /// Fails unless the marks follow each other; gives back the lines they stand in.
    pub(crate) fn in_order(&self, marks: &[&str]) -> Result<Vec<String>, Fail> {
        in_order(&self.text(), marks)
    }
}

fn in_order(text: &str, marks: &[&str]) -> Result<Vec<String>, Fail> {
    let mut rest = text;
    let mut lines = Vec::new();
    for mark in marks {
        let Some(at) = rest.find(mark) else {
            let after = lines.last().map_or("the start", String::as_str);
            fail!("the console does not say {mark:?} after {after:?}")
        };
        let start = rest[..at].rfind('\n').map_or(0, |n| n + 1);
        let end = rest[at..].find('\n').map_or(rest.len(), |n| at + n);
        lines.push(rest[start..end].trim().chars().take(110).collect());
        rest = &rest[at + mark.len()..];
    }
    Ok(lines)
}

/// Text without escape sequences and carriage returns.
fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\u{1b}' => while chars.next().is_some_and(|c| !c.is_ascii_alphabetic()) {},
            '\r' => {}
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_must_come_one_after_the_other() {
        let text = plain("\u{1b}[2J\u{1b}[1;1HGRUB\r\nkernel autoinstall\r\ndone\r\n");
        assert_eq!(text, "GRUB\nkernel autoinstall\ndone\n");
        assert_eq!(in_order(&text, &["GRUB", "auto"]).unwrap(), ["GRUB", "kernel autoinstall"]);
        assert!(in_order(&text, &["done", "GRUB"]).is_err());
    }
}
