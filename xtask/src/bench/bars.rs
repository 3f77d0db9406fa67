//! A chart of signs for the pages.

use std::fmt::Write as _;

/// One bar a value, of at most forty signs.
pub(super) fn bars(text: &mut String, title: &str, values: &[(&str, f64)]) {
    let most = values.iter().map(|(_, value)| *value).fold(0.0, f64::max).max(1e-9);
    let _ = writeln!(text, "{title}");
    for (name, value) in values {
        let signs = ((value / most) * 40.0).round() as usize;
        let _ = writeln!(text, "  {name:<32} {:<40} {value:.2}", "#".repeat(signs.max(1)));
    }
    text.push('\n');
}
