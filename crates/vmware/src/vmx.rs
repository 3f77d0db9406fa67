//! A .vmx file as a value: order, comments, unknown keys and line ends are kept byte for byte.

use crate::VmxError;

/// The text of a virtual machine's configuration.
///
/// Keys are found in any case. Where a key occurs twice the last one counts. What is not changed is rendered exactly
/// as it was read.
///
/// ```
/// let text = "# by hand\r\n.encoding = \"UTF-8\"\r\nMemSize = \"2048\"\r\n";
/// let mut vmx = vmware::Vmx::parse(text).unwrap();
/// assert_eq!(vmx.get("memsize"), Some("2048"));
/// assert_eq!(vmx.render(), text);
/// vmx.set("memsize", "4096");
/// assert_eq!(vmx.render(), text.replace("2048", "4096"));
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Vmx {
    lines: Vec<Line>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Line {
    /// The whole line with its line end.
    raw: String,
    /// Key and value, unless the line is blank or a comment.
    entry: Option<(String, String)>,
}

/// One key whose value differs between two files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The key, as the first file that has it writes it.
    pub key: String,
    /// Its old value; none where it is new.
    pub old: Option<String>,
    /// Its new value; none where it is gone.
    pub new: Option<String>,
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let key = &self.key;
        match (&self.old, &self.new) {
            (Some(old), Some(new)) => write!(f, "~ {key} = \"{}\" -> \"{}\"", escaped(old), escaped(new)),
            (Some(old), None) => write!(f, "- {key} = \"{}\"", escaped(old)),
            (_, new) => write!(f, "+ {key} = \"{}\"", escaped(new.as_deref().unwrap_or_default())),
        }
    }
}

impl Vmx {
    /// Reads the text of a .vmx file.
    pub fn parse(text: &str) -> Result<Self, VmxError> {
        let mut lines = Vec::new();
        for (number, raw) in text.split_inclusive('\n').enumerate() {
            let content = raw.trim_start_matches('\u{feff}').trim();
            let entry = if content.is_empty() || content.starts_with('#') {
                None
            } else {
                let bad = || VmxError::Syntax { line: number + 1, text: content.chars().take(80).collect() };
                Some(split(content).ok_or_else(bad)?)
            };
            lines.push(Line { raw: raw.to_owned(), entry });
        }
        Ok(Self { lines })
    }

    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&str> {
        let (_, value) = self.lines.iter().rev().filter_map(|l| l.entry.as_ref()).find(|(k, _)| same(k, key))?;
        Some(value)
    }

    /// Whether the key's value is `TRUE`, in any case.
    pub fn is_true(&self, key: &str) -> bool {
        self.get(key).is_some_and(|v| v.eq_ignore_ascii_case("true"))
    }

    /// Keys and values, in the order of the file.
    pub fn entries(&self) -> impl Iterator<Item = (&str, &str)> {
        self.lines.iter().filter_map(|l| l.entry.as_ref()).map(|(k, v)| (k.as_str(), v.as_str()))
    }

    /// Sets a key: in its place where it exists, else at the end. A value that is there already changes nothing.
    pub fn set(&mut self, key: &str, value: &str) {
        let end = self.line_end();
        let place = self.lines.iter().rposition(|l| l.entry.as_ref().is_some_and(|(k, _)| same(k, key)));
        if let Some(at) = place {
            let line = &mut self.lines[at];
            if let Some((k, old)) = &line.entry
                && old != value
            {
                let own = &line.raw[line.raw.trim_end_matches(['\r', '\n']).len()..];
                let bom = if line.raw.starts_with('\u{feff}') { "\u{feff}" } else { "" };
                *line =
                    Line { raw: format!("{bom}{}{own}", rendered(k, value)), entry: Some((k.clone(), value.into())) };
            }
            return;
        }
        if let Some(last) = self.lines.last_mut()
            && !last.raw.ends_with('\n')
        {
            last.raw.push_str(end);
        }
        let raw = format!("{}{end}", rendered(key, value));
        self.lines.push(Line { raw, entry: Some((key.to_owned(), value.to_owned())) });
    }

    /// Removes every line with this key.
    pub fn remove(&mut self, key: &str) {
        self.lines.retain(|l| l.entry.as_ref().is_none_or(|(k, _)| !same(k, key)));
    }

    /// What differs in `other`, key by key: those of this file in its order, then the new ones of `other`. Where a key
    /// occurs twice its last value counts; case, comments and order do not.
    ///
    /// ```
    /// use vmware::Vmx;
    /// let (old, new) = (Vmx::parse("a = \"1\"\nb = \"2\"").unwrap(), Vmx::parse("B = \"3\"\nc = \"4\"").unwrap());
    /// let text: Vec<String> = old.diff(&new).iter().map(ToString::to_string).collect();
    /// assert_eq!(text, ["- a = \"1\"", "~ b = \"2\" -> \"3\"", "+ c = \"4\""]);
    /// ```
    pub fn diff(&self, other: &Self) -> Vec<Difference> {
        let mut seen = std::collections::BTreeSet::new();
        let keys = self.entries().chain(other.entries()).map(|(key, _)| key);
        let new = keys.filter(|key| seen.insert(key.to_ascii_lowercase()));
        let all = new.map(|key| Difference {
            key: key.to_owned(),
            old: self.get(key).map(str::to_owned),
            new: other.get(key).map(str::to_owned),
        });
        all.filter(|d| d.old != d.new).collect()
    }

    /// The text of the file.
    pub fn render(&self) -> String {
        self.lines.iter().map(|l| l.raw.as_str()).collect()
    }

    fn line_end(&self) -> &'static str {
        if self.lines.first().is_some_and(|l| l.raw.ends_with("\r\n")) { "\r\n" } else { "\n" }
    }
}

fn same(a: &str, b: &str) -> bool {
    a.eq_ignore_ascii_case(b)
}

/// `key = "value"` or `key = value`.
fn split(content: &str) -> Option<(String, String)> {
    let (key, value) = content.split_once('=')?;
    let (key, value) = (key.trim(), value.trim());
    if key.is_empty() || key.contains(['"', ' ', '\t']) {
        return None;
    }
    let bare = match value.strip_prefix('"') {
        Some(rest) => rest.strip_suffix('"')?,
        None => value,
    };
    Some((key.to_owned(), unescaped(bare)))
}

fn rendered(key: &str, value: &str) -> String {
    format!("{key} = \"{}\"", escaped(value))
}

/// VMware writes characters that cannot stand inside quotes as `|` and two hexadecimal digits.
fn escaped(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for c in value.chars() {
        match c {
            '"' | '|' | '\r' | '\n' => out.push_str(&format!("|{:02X}", u32::from(c))),
            _ => out.push(c),
        }
    }
    out
}

fn unescaped(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    let mut rest = value;
    while let Some(at) = rest.find('|') {
        out.push_str(&rest[..at]);
        let code = rest.get(at + 1..at + 3).and_then(|hex| u8::from_str_radix(hex, 16).ok()).filter(u8::is_ascii);
        match code {
            Some(byte) => {
                out.push(char::from(byte));
                rest = &rest[at + 3..];
            }
            None => {
                out.push('|');
                rest = &rest[at + 1..];
            }
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_new_key_goes_to_the_end_in_the_files_own_line_ends() {
        let mut vmx = Vmx::parse("\u{feff}.encoding = \"windows-949\"\r\nfoo.bar = baz").unwrap();
        assert_eq!((vmx.get("Foo.Bar"), vmx.get(".ENCODING")), (Some("baz"), Some("windows-949")));
        vmx.set("sata0:1.present", "TRUE");
        vmx.set(".encoding", "UTF-8");
        let want = "\u{feff}.encoding = \"UTF-8\"\r\nfoo.bar = baz\r\nsata0:1.present = \"TRUE\"\r\n";
        assert_eq!(vmx.render(), want);
        vmx.remove("FOO.bar");
        assert_eq!(vmx.get("foo.bar"), None);
    }

    #[test]
    fn the_last_of_two_equal_keys_counts() {
        let mut vmx = Vmx::parse("a = \"1\"\nA = \"2\"\n").unwrap();
        assert_eq!(vmx.get("a"), Some("2"));
        vmx.set("a", "3");
        assert_eq!(vmx.render(), "a = \"1\"\nA = \"3\"\n");
    }

    #[test]
    fn a_broken_line_is_named() {
        let error = Vmx::parse("a = \"1\"\nnonsense\n").unwrap_err();
        assert!(matches!(error, VmxError::Syntax { line: 2, .. }), "{error}");
        assert!(Vmx::parse("a = \"open\n").is_err());
    }

    proptest! {
        #[test]
        fn what_can_be_read_is_rendered_unchanged(text in "([ -~\\t]{0,20}(= ?\"?[ -~]{0,9}\"?)?\r?\n?){0,9}") {
            if let Ok(vmx) = Vmx::parse(&text) {
                prop_assert_eq!(vmx.render(), text);
            }
        }

        #[test]
        fn any_value_comes_back(value in "(?s).{0,30}") {
            let mut vmx = Vmx::default();
            vmx.set("annotation", &value);
            let again = Vmx::parse(&vmx.render()).unwrap();
            prop_assert_eq!(again.get("annotation"), Some(value.as_str()));
        }
    }
}
