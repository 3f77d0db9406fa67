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

    /// Fails unless the marks follow each other; gives back the lines they stand in. A mark counts that the kernel wrote
    /// into.
    pub(crate) fn in_order(&self, marks: &[&str]) -> Result<Vec<String>, Fail> {
        let text = self.text();
        in_order(&text, marks).or_else(|why| in_order(&unbroken(&text), marks).map_err(|_| why))
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

/// The text with the lines put together again into which the kernel wrote one of its own: it does not wait for the end of
/// what a program writes.
fn unbroken(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        let inside = line.match_indices('[').map(|(at, _)| at).find(|at| *at > 0 && is_stamp(&line[*at..]));
        let goes_on = !out.is_empty() && !out.ends_with('\n');
        match inside {
            Some(at) => out.push_str(&line[..at]),
            // another one right after it
            None if goes_on && is_stamp(line) => {}
            None => out.push_str(line),
        }
    }
    out
}

/// Whether the kernel's time stamp stands here, seconds and six digits: `[   88.010054] `.
fn is_stamp(text: &str) -> bool {
    let inner = text.strip_prefix('[').and_then(|rest| rest.split_once("] "));
    let Some((seconds, micros)) = inner.and_then(|(stamp, _)| stamp.trim_start().split_once('.')) else { return false };
    micros.len() == 6 && [seconds, micros].iter().all(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
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

    #[test]
    fn lines_that_the_kernel_broke_are_whole_again() {
        let said = "[    0.000000] Command line: x\n[  OK  ] Started\nmas[   88.010054] bridge: y\n[   88.056888] z\n\
                    ter login: \n[   89.000001] w\n";
        let whole = "[    0.000000] Command line: x\n[  OK  ] Started\nmaster login: \n[   89.000001] w\n";
        assert_eq!(unbroken(said), whole);
        assert_eq!(unbroken("[   0.20] installer: a [b] c\nend"), "[   0.20] installer: a [b] c\nend");
    }
}
