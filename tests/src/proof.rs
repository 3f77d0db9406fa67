//! What a check gives back: evidence, or the reason why not.

use std::fmt;

/// Why a check failed, with the causes it came with.
#[derive(Debug)]
pub(crate) struct Fail(pub(crate) String);

/// The evidence in one line, or the reason.
pub(crate) type Proof = Result<String, Fail>;

impl<E: std::error::Error> From<E> for Fail {
    fn from(error: E) -> Self {
        let mut text = error.to_string();
        let mut next = error.source();
        while let Some(cause) = next {
            text += &format!(": {cause}");
            next = cause.source();
        }
        Self(text)
    }
}

impl fmt::Display for Fail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Ends the check with a reason.
macro_rules! fail {
    ($($arg:tt)*) => { return Err($crate::proof::Fail(format!($($arg)*))) };
}

/// Ends the check with a reason unless the condition holds.
macro_rules! ensure {
    ($condition:expr, $($arg:tt)*) => { if !$condition { $crate::proof::fail!($($arg)*) } };
}

pub(crate) use {ensure, fail};

/// The last `n` lines of a text, joined by ` | `.
pub(crate) fn tail(text: &str, n: usize) -> String {
    let lines: Vec<&str> = text.lines().filter(|l| !l.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(n)..].join(" | ")
}
