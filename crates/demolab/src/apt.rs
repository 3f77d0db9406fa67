//! Debian package sources for the builds, made from the machine's own. The machine's configuration is only read.

use std::fs;
use std::path::Path;

use crate::{Error, Result};

/// The Debian release that the parts are made of.
pub(crate) const SUITE: &str = "bookworm";

const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// One package source of the machine, as far as the builds care.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Source {
    pub(crate) uri: String,
    /// The suite of [`SUITE`] that answers the machine's one: `bookworm`, `bookworm-updates`, `bookworm-security`.
    pub(crate) suite: String,
}

/// The machine's Debian sources, with their suites turned into those of [`SUITE`].
pub(crate) fn sources() -> Result<Vec<Source>> {
    let found = read(Path::new("/etc/apt"));
    if found.iter().any(|s| s.suite == SUITE) { Ok(found) } else { Err(Error::NoSources) }
}

/// A sources list with one line per source; `kind` is `deb` or `deb-src`.
pub(crate) fn list(kind: &str, sources: &[Source]) -> String {
    sources.iter().map(|s| format!("{kind} [signed-by={KEYRING}] {} {} main\n", s.uri, s.suite)).collect()
}

/// A sources list of the machine's own Debian mirrors for this release (`bookworm`), its backports included: for an apt
/// that is given its own lists folder. The machine's configuration is only read.
///
/// ```no_run
/// let list = demolab::sources_with_backports("bookworm")?;
/// assert!(list.contains(" bookworm-backports main"));
/// # Ok::<(), demolab::Error>(())
/// ```
pub fn sources_with_backports(release: &str) -> Result<String> {
    Ok(with_backports(release, sources()?))
}

fn with_backports(release: &str, mut sources: Vec<Source>) -> String {
    let main = sources.iter().find(|s| s.suite == SUITE).cloned();
    sources.extend(main.map(|s| Source { suite: format!("{SUITE}-backports"), ..s }));
    sources.iter_mut().for_each(|s| s.suite = s.suite.replacen(SUITE, release, 1));
    list("deb", &sources)
}

fn read(etc: &Path) -> Vec<Source> {
    let mut files = vec![etc.join("sources.list")];
    if let Ok(dir) = fs::read_dir(etc.join("sources.list.d")) {
        let mut more: Vec<_> = dir.flatten().map(|e| e.path()).collect();
        more.sort();
        files.extend(more);
    }
    let mut found: Vec<Source> = Vec::new();
    for file in files {
        let Ok(text) = fs::read_to_string(&file) else { continue };
        let parsed = match file.extension().and_then(|e| e.to_str()) {
            Some("sources") => deb822(&text),
            Some("list") => one_line(&text),
            _ => continue,
        };
        for source in parsed {
            if !found.contains(&source) {
                found.push(source);
            }
        }
    }
    found
}

/// `X` -> `bookworm`, `X-updates` -> `bookworm-updates`, `X-security` likewise; every other suite is left out.
fn source(uri: &str, suite: &str) -> Option<Source> {
    let path = uri.trim_end_matches('/');
    let debian = path.ends_with("/debian") || path.ends_with("/debian-security");
    let suite = match suite.split_once('-') {
        None => SUITE.to_owned(),
        Some((_, part @ ("updates" | "security"))) => format!("{SUITE}-{part}"),
        Some(_) => return None,
    };
    debian.then(|| Source { uri: uri.to_owned(), suite })
}

/// `NAME.sources`: stanzas of `Key: value` (sources.list(5)).
fn deb822(text: &str) -> Vec<Source> {
    let mut found = Vec::new();
    for stanza in text.split("\n\n") {
        let field = |name: &str| {
            let mut lines = stanza.lines().filter(|l| !l.starts_with('#'));
            lines.find_map(|l| l.split_once(':').filter(|(k, _)| k.eq_ignore_ascii_case(name)).map(|(_, v)| v.trim()))
        };
        let words = |name: &str| field(name).unwrap_or_default().split_whitespace().collect::<Vec<_>>();
        if field("Enabled").is_some_and(|v| v.eq_ignore_ascii_case("no")) || !words("Types").contains(&"deb") {
            continue;
        }
        for uri in words("URIs") {
            found.extend(words("Suites").iter().filter_map(|suite| source(uri, suite)));
        }
    }
    found
}

/// `NAME.list`: lines of `deb [options] URI SUITE COMPONENTS` (sources.list(5)).
fn one_line(text: &str) -> Vec<Source> {
    let parse = |line: &str| {
        let rest = line.trim().strip_prefix("deb ")?.trim_start();
        let rest = if rest.starts_with('[') { rest.split_once(']')?.1 } else { rest };
        let mut words = rest.split_whitespace();
        source(words.next()?, words.next()?)
    };
    text.lines().filter_map(parse).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEB822: &str = "Types: deb\n# a comment: with a colon\nURIs: http://mirror.example/debian\n\
        Suites: trixie trixie-updates trixie-backports\nComponents: main\n\n\
        Types: deb\nURIs: http://mirror.example/debian-security\nSuites: trixie-security\n\n\
        Types: deb\nEnabled: no\nURIs: http://off.example/debian\nSuites: trixie\n\n\
        Types: deb\nURIs: https://vendor.example/apt\nSuites: trixie\n";

    #[test]
    fn a_machine_of_another_release_lends_its_mirror() {
        let found: Vec<_> = deb822(DEB822).into_iter().map(|s| format!("{} {}", s.uri, s.suite)).collect();
        assert_eq!(
            found,
            [
                "http://mirror.example/debian bookworm",
                "http://mirror.example/debian bookworm-updates",
                "http://mirror.example/debian-security bookworm-security",
            ]
        );
    }

    #[test]
    fn old_style_lists_are_read_too() {
        let text = "# deb http://no.example/debian x main\ndeb [arch=amd64 signed-by=/k] http://a.example/debian bookworm main\n\
            deb-src http://a.example/debian bookworm main\ndeb http://v.example/apt stable main\n";
        assert_eq!(one_line(text), [Source { uri: "http://a.example/debian".into(), suite: "bookworm".into() }]);
    }

    #[test]
    fn backports_come_from_the_mirror_of_the_release() {
        let text = with_backports("trixie", deb822(DEB822));
        let suites: Vec<&str> = text.lines().filter_map(|l| l.split(' ').nth(3)).collect();
        assert_eq!(suites, ["trixie", "trixie-updates", "trixie-security", "trixie-backports"]);
        assert!(text.ends_with("http://mirror.example/debian trixie-backports main\n"), "{text}");
    }

    #[test]
    fn the_list_names_the_keyring() {
        let sources = [Source { uri: "http://a.example/debian".into(), suite: SUITE.into() }];
        assert_eq!(
            list("deb-src", &sources),
            format!("deb-src [signed-by={KEYRING}] http://a.example/debian bookworm main\n")
        );
    }
}
