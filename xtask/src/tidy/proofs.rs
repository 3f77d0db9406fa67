//! The comparison with other tools: each of our rows names the tests that show it, and they exist.

use std::path::Path;

use super::{Findings, text};

const PAGE: &str = "docs/comparison.md";

/// Rows without a test, and tests that are not there.
pub(super) fn check() -> Findings {
    let page = std::fs::read_to_string(PAGE).map_err(|e| format!("{PAGE}: {e}"))?;
    Ok(findings(&page, &|path| text(Path::new(path))))
}

fn findings(page: &str, read: &dyn Fn(&str) -> Option<String>) -> Vec<String> {
    let mut found = Vec::new();
    for (number, line) in page.lines().enumerate() {
        let at = format!("{PAGE}:{}", number + 1);
        let Some(ours) = row(line) else { continue };
        let proofs: Vec<(&str, &str)> = ours.split('`').skip(1).step_by(2).filter_map(|p| p.split_once('#')).collect();
        if proofs.is_empty() {
            found.push(format!("{at}: no test is named"));
        }
        let missing = proofs.iter().filter(|(path, name)| !read(path).is_some_and(|text| holds(&text, name)));
        found.extend(missing.map(|(path, name)| format!("{at}: {path} has no test {name}")));
    }
    found
}

/// The last column of a row about a feature; the heads of the tables have an empty first column.
fn row(line: &str) -> Option<&str> {
    let cells: Vec<&str> = line.strip_prefix('|')?.strip_suffix('|')?.split('|').map(str::trim).collect();
    let feature = cells.first().is_some_and(|first| !first.is_empty() && !first.starts_with("---"));
    cells.last().copied().filter(|_| feature)
}

/// A check of the end-to-end proof is a string, a test is a function.
fn holds(text: &str, name: &str) -> bool {
    text.contains(&format!("\"{name}\"")) || text.contains(&format!("fn {name}("))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_without_a_test_and_a_test_that_is_gone_are_found() {
        let read = |path: &str| {
            (path == "a.rs")
                .then(|| "report.check(\"lab/up\", x);\nfn it_works() {}\nfn it_works_twice() {}".to_owned())
        };
        let page = "| | other | airlab |\n|---|---|---|\n| one | no | yes `a.rs#lab/up` `a.rs#it_works` |\n| two | no | yes |\n\
                    | three | no | yes `a.rs#lab/down` |\n| four | no | yes `b.rs#lab/up` |\n| five | `c.rs#x` | yes `a.rs#it_work` |\n";
        let found = findings(page, &read);
        let lines: Vec<&str> = found.iter().map(|f| f.trim_start_matches("docs/comparison.md:")).collect();
        assert_eq!(
            lines,
            [
                "4: no test is named",
                "5: a.rs has no test lab/down",
                "6: b.rs has no test lab/up",
                "7: a.rs has no test it_work"
            ]
        );
    }
}
