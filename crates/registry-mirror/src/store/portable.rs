//! Names on disk where the file system does not tell capitals from small letters or keeps names for itself (Windows).
//!
//! `v1` stays `v1`; `V1` becomes `^1^v1^`: a mask of the capitals, then the name in small letters. No tag or repository
//! contains `^`, so the forms can be told apart wherever a store is read, and what needs no change looks as ever. A
//! device's name only loses its first letter, `^on` for `con`: a repository's component may be as long as a folder's name.

use std::borrow::Cow;

/// Names that Windows keeps for devices, also with an extension; no two differ in their first letter only.
const DEVICES: [&str; 6] = ["con", "prn", "aux", "nul", "com", "lpt"];

/// The form of one component that every file system keeps apart from all others.
pub(super) fn encode(name: &str) -> Cow<'_, str> {
    let mask = name.bytes().take(128).enumerate();
    let mask = mask.fold(0u128, |mask, (i, b)| mask | (u128::from(b.is_ascii_uppercase()) << i));
    if mask == 0 && !name.ends_with('.') {
        return if is_device(name) { Cow::Owned(format!("^{}", &name[1..])) } else { Cow::Borrowed(name) };
    }
    Cow::Owned(format!("^{mask:x}^{}^", name.to_ascii_lowercase()))
}

/// The name that a folder stands for, in either form.
pub(super) fn decode(name: &str) -> Option<Cow<'_, str>> {
    let Some(rest) = name.strip_prefix('^') else { return Some(Cow::Borrowed(name)) };
    let Some(masked) = rest.strip_suffix('^') else {
        let device = DEVICES.into_iter().find(|device| rest.starts_with(&device[1..]))?;
        return Some(Cow::Owned(format!("{}{rest}", &device[..1])));
    };
    let (mask, small) = masked.split_once('^')?;
    let mask = u128::from_str_radix(mask, 16).ok()?;
    let capital = |(i, c): (usize, char)| if i < 128 && mask >> i & 1 == 1 { c.to_ascii_uppercase() } else { c };
    Some(Cow::Owned(small.chars().enumerate().map(capital).collect()))
}

fn is_device(name: &str) -> bool {
    let base = name.split('.').next().unwrap_or_default();
    let numbered = |prefix: &str| base.strip_prefix(prefix).is_some_and(|n| n.len() == 1 && n != "0" && digit(n));
    DEVICES[..4].contains(&base) || DEVICES[4..].iter().any(|prefix| numbered(prefix))
}

fn digit(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_what_windows_would_confuse_is_changed() {
        let cases = [
            ("v1", "v1"),
            ("V1", "^1^v1^"),
            ("v1.", "^0^v1.^"),
            ("con", "^on"),
            ("aux.v1", "^ux.v1"),
            ("com1", "^om1"),
            ("Con", "^1^con^"),
            ("com0", "com0"),
            ("console", "console"),
        ];
        for (name, kept) in cases {
            assert_eq!(encode(name), kept);
            assert_eq!(decode(kept).unwrap(), name);
        }
        assert_eq!(decode("^zz^v1^"), None);
        assert!(encode(&"A".repeat(128)).len() < 255);
        let longest = format!("aux.{}", "a".repeat(251));
        assert_eq!((encode(&longest).len(), decode(&encode(&longest)).unwrap()), (255, longest.as_str().into()));
    }

    proptest! {
        #[test]
        fn no_two_names_meet(names in prop::collection::vec("[A-Za-z0-9_][A-Za-z0-9._-]{0,12}|(con|prn|aux|nul|com1|lpt9)[.a-z]{0,3}", 1..40)) {
            let mut kept = BTreeMap::new();
            for name in names {
                let form = encode(&name).into_owned();
                prop_assert_eq!(form.to_ascii_lowercase(), form.clone());
                prop_assert_eq!(decode(&form).unwrap(), name.as_str());
                prop_assert!(kept.insert(form, name.clone()).is_none_or(|old| old == name));
            }
        }
    }
}
