//! An error's causes as text, for a message's `reason`.

use std::error::Error;

/// An error and its causes in one line; a cause whose text stands at the end already is not said again.
///
/// ```
/// let inner = std::io::Error::other("no route");
/// let outer = std::io::Error::other(inner);
/// assert_eq!(steps::chain(&outer), "no route");
/// ```
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(c) = cause {
        let next = c.to_string();
        if !text.ends_with(&next) {
            text = format!("{text}: {next}");
        }
        cause = c.source();
    }
    text
}

/// The cause at the bottom: `connection refused`, not `error sending request`.
pub fn innermost(error: &dyn Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}
