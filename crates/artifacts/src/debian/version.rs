//! Debian's version numbers and their order (deb-version(7)).

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

/// A version: `[EPOCH:]UPSTREAM[-REVISION]`. Two that are written differently can be equal, `1.0` and `0:1.00-0`.
///
/// ```
/// use artifacts::debian::Version;
/// let version = |text: &str| text.parse::<Version>().unwrap();
/// assert!(version("1.0~rc1") < version("1.0") && version("1.0") < version("1.0+dfsg-1"));
/// assert!(version("1:0.9") > version("2.0") && version("1.10") > version("1.9"));
/// ```
#[derive(Debug, Clone)]
pub struct Version {
    text: String,
    epoch: u64,
    /// Where the upstream part begins and ends in the text.
    upstream: (usize, usize),
}

impl Version {
    fn upstream(&self) -> &[u8] {
        &self.text.as_bytes()[self.upstream.0..self.upstream.1]
    }

    fn revision(&self) -> &[u8] {
        self.text.as_bytes().get(self.upstream.1 + 1..).unwrap_or_default()
    }
}

/// A text that is no version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a version")]
pub struct NotAVersion(String);

impl FromStr for Version {
    type Err = NotAVersion;

    fn from_str(text: &str) -> Result<Self, NotAVersion> {
        let fail = || NotAVersion(text.chars().take(80).collect());
        let (epoch, start) = match text.find(':') {
            None => (0, 0),
            Some(colon) => {
                let digits = &text[..colon];
                let plain = digits.bytes().all(|b| b.is_ascii_digit());
                // dpkg keeps it in an int
                let epoch = digits.parse::<u64>().ok().filter(|e| plain && *e <= i32::MAX as u64);
                (epoch.ok_or_else(fail)?, colon + 1)
            }
        };
        let end = text[start..].rfind('-').map_or(text.len(), |dash| start + dash);
        let (upstream, revision) = (&text[start..end], text.get(end + 1..));
        let allowed = |extra: &[u8], part: &str| {
            part.bytes().all(|b| b.is_ascii_alphanumeric() || b".+~".contains(&b) || extra.contains(&b))
        };
        let right = upstream.starts_with(|c: char| c.is_ascii_digit())
            && allowed(b"-:", upstream)
            && revision.is_none_or(|r| !r.is_empty() && allowed(b"", r));
        if right { Ok(Self { text: text.to_owned(), epoch, upstream: (start, end) }) } else { Err(fail()) }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        let epoch = self.epoch.cmp(&other.epoch);
        epoch
            .then_with(|| part(self.upstream(), other.upstream()))
            .then_with(|| part(self.revision(), other.revision()))
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Version {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Version {}

/// Text and numbers in turn: in text, `~` comes before the end, the end before letters, letters before the rest.
fn part(mut a: &[u8], mut b: &[u8]) -> Ordering {
    while !a.is_empty() || !b.is_empty() {
        loop {
            let (x, y) = (weight(a), weight(b));
            if x != y {
                return x.cmp(&y);
            }
            if x == 0 {
                break;
            }
            (a, b) = (&a[1..], &b[1..]);
        }
        let (x, y) = (number(&mut a), number(&mut b));
        match x.len().cmp(&y.len()).then_with(|| x.cmp(y)) {
            Ordering::Equal => {}
            other => return other,
        }
    }
    Ordering::Equal
}

/// The place of the next character in the order of text; a digit is the end of the text.
fn weight(rest: &[u8]) -> i32 {
    match rest.first() {
        None => 0,
        Some(b) if b.is_ascii_digit() => 0,
        Some(b'~') => -1,
        Some(b) if b.is_ascii_alphabetic() => i32::from(*b),
        Some(b) => i32::from(*b) + 256,
    }
}

/// Takes the digits in front, and gives them without leading zeros.
fn number<'a>(rest: &mut &'a [u8]) -> &'a [u8] {
    let length = rest.iter().take_while(|b| b.is_ascii_digit()).count();
    let (digits, behind) = rest.split_at(length);
    *rest = behind;
    &digits[digits.iter().take_while(|b| **b == b'0').count()..]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn version(text: &str) -> Version {
        text.parse().unwrap()
    }

    #[test]
    fn the_order_is_debians() {
        let rising = [
            "0~~",
            "0~~a",
            "0~",
            "0",
            "0a",
            "0+",
            "1.0~beta1~svn1245",
            "1.0~beta1",
            "1.0",
            "1.0-1",
            "1.0-1ubuntu1",
            "1.0-1ubuntu1.1",
            "1.0-1.1",
            "1.0a",
            "1.0+b",
            "1.2",
            "1.10",
            "2:0",
            "10:0",
        ];
        for pair in rising.windows(2) {
            assert!(version(pair[0]) < version(pair[1]), "{pair:?}");
        }
        for (a, b) in [("1.0", "0:1.00-0"), ("1-0", "1"), ("1.a0", "1.a"), ("0001", "1")] {
            assert_eq!(version(a), version(b));
        }
    }

    #[test]
    fn what_is_no_version_is_refused() {
        for text in ["", "a", "1_0", "x:1", ":1", "1-", "1 2", "1:", "-1", "1.0-1/2", "99999999999:1", "+1:1"] {
            assert!(text.parse::<Version>().is_err(), "{text}");
        }
    }

    /// Near one another, so that the interesting places are met.
    fn near() -> impl Strategy<Value = Version> {
        "([0-2]:)?[0-2][0-2a.~+-]{0,4}(-[0-2a.~+]{1,3})?".prop_filter_map("no version", |t: String| t.parse().ok())
    }

    proptest! {
        #[test]
        fn it_is_an_order(a in near(), b in near(), c in near()) {
            prop_assert_eq!(a.cmp(&b), b.cmp(&a).reverse());
            prop_assert_eq!(a.cmp(&a), Ordering::Equal);
            if a <= b && b <= c {
                prop_assert!(a <= c);
            }
            prop_assert_eq!(a.to_string().parse::<Version>().unwrap(), a);
        }

        #[test]
        fn a_tilde_is_before_and_a_letter_behind(a in "[0-9][0-9a-z.]{0,6}") {
            let (before, behind) = (version(&format!("{a}~")), version(&format!("{a}a")));
            prop_assert!(before < version(&a) && version(&a) < behind, "{}", a);
        }

        #[test]
        fn any_text_is_a_version_or_none(text in any::<String>()) {
            let _ = text.parse::<Version>();
        }
    }
}
