//! The `WWW-Authenticate` header of a registry that wants to know who asks.

use std::collections::HashMap;

use reqwest::header::{HeaderMap, WWW_AUTHENTICATE};

/// What a registry wants to be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Challenge {
    /// A name and a password.
    Basic,
    /// A token that `realm` gives out.
    Bearer { realm: String, service: Option<String> },
}

impl Challenge {
    /// The challenge of an answer; a bearer challenge where there are several.
    pub(super) fn of(headers: &HeaderMap) -> Option<Self> {
        let all = headers.get_all(WWW_AUTHENTICATE).into_iter().filter_map(|value| value.to_str().ok());
        let mut all: Vec<Self> = all.filter_map(Self::parse).collect();
        let at = all.iter().position(|c| matches!(c, Self::Bearer { .. })).unwrap_or(0);
        (at < all.len()).then(|| all.swap_remove(at))
    }

    fn parse(text: &str) -> Option<Self> {
        let (scheme, rest) = text.trim().split_once(' ').unwrap_or((text.trim(), ""));
        if scheme.eq_ignore_ascii_case("basic") {
            return Some(Self::Basic);
        }
        if !scheme.eq_ignore_ascii_case("bearer") {
            return None;
        }
        let mut parameters = parameters(rest);
        Some(Self::Bearer { realm: parameters.remove("realm")?, service: parameters.remove("service") })
    }
}

/// `a="b",c=d` (RFC 9110, 11.2).
fn parameters(text: &str) -> HashMap<String, String> {
    let mut found = HashMap::new();
    let mut rest = text;
    while let Some((key, value)) = rest.split_once('=') {
        let key = key.trim_matches([' ', ',', '\t']).to_ascii_lowercase();
        let (value, behind) = match value.strip_prefix('"') {
            Some(quoted) => quoted_end(quoted),
            None => value.split_once(',').map_or((value.trim().to_owned(), ""), |(v, b)| (v.trim().to_owned(), b)),
        };
        found.insert(key, value);
        rest = behind;
    }
    found
}

/// The text up to the closing quote without its escapes, and what is behind it.
fn quoted_end(text: &str) -> (String, &str) {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return (value, &text[at + 1..]),
            '\\' => value.extend(chars.next().map(|(_, c)| c)),
            c => value.push(c),
        }
    }
    (value, "")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn challenges_are_read() {
        let text =
            r#"Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a,b:pull""#;
        let wanted = Challenge::Bearer {
            realm: "https://auth.docker.io/token".into(),
            service: Some("registry.docker.io".into()),
        };
        assert_eq!(Challenge::parse(text), Some(wanted));
        assert_eq!(Challenge::parse("basic realm=x"), Some(Challenge::Basic));
        assert_eq!(Challenge::parse("Negotiate"), None);
        assert_eq!(Challenge::parse("Bearer service=x"), None, "no realm");
        let several = ["Basic realm=\"a\"", "Bearer realm=\"b\""];
        let mut headers = HeaderMap::new();
        for text in several {
            headers.append(WWW_AUTHENTICATE, text.parse().unwrap());
        }
        assert!(matches!(Challenge::of(&headers), Some(Challenge::Bearer { .. })));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]
        #[test]
        fn any_text_is_read_or_refused(text in "(Bearer |basic )?[a-z=\",\\\\ é]{0,60}") {
            let _ = Challenge::parse(&text);
        }
    }
}
