//! From vmrun's bytes to text: code pages, line ends, and the lines that are nobody's answer.

/// The code page of output that is not UTF-8. vmrun writes in the host's ANSI page.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Page {
    /// The page of this system: on Windows what its registry says, elsewhere none.
    #[default]
    Host,
    /// A Windows code page by number, such as 949 for Korean.
    Number(u16),
}

impl Page {
    /// UTF-8 where the bytes are that, else this page; what fits neither is shown with replacement characters.
    ///
    /// ```
    /// use vmware::vmrun::Page;
    /// assert_eq!(Page::Number(949).decode(b"\xb0\xa1\xbb\xf3"), "가상");
    /// assert_eq!(Page::Number(949).decode("가상".as_bytes()), "가상");
    /// ```
    pub fn decode(self, bytes: &[u8]) -> String {
        match std::str::from_utf8(bytes) {
            Ok(text) => text.to_owned(),
            Err(_) => match self.encoding() {
                Some(encoding) => encoding.decode_without_bom_handling(bytes).0.into_owned(),
                None => String::from_utf8_lossy(bytes).into_owned(),
            },
        }
    }

    fn encoding(self) -> Option<&'static encoding_rs::Encoding> {
        let number = match self {
            Self::Host => crate::discover::code_page()?,
            Self::Number(number) => number,
        };
        let label = match number {
            949 => "euc-kr".to_owned(),
            932 => "shift_jis".to_owned(),
            936 => "gbk".to_owned(),
            950 => "big5".to_owned(),
            other => format!("windows-{other}"),
        };
        encoding_rs::Encoding::for_label(label.as_bytes())
    }
}

/// Whether a line is known not to belong to any answer: a log line of a library that vmrun loads.
/// `2015-08-31T17:57:29.547| ServiceImpl_Opener: PID 5033` was seen with Fusion, the other one with Workstation on
/// Linux (packer-plugin-vmware#229; there on standard error).
pub(super) fn is_noise(line: &str) -> bool {
    let line = line.trim();
    let stamp = line.get(..20).is_some_and(|s| {
        let dashes = s.as_bytes()[4] == b'-' && s.as_bytes()[7] == b'-' && s.as_bytes()[10] == b'T';
        dashes && s.starts_with(|c: char| c.is_ascii_digit())
    });
    (stamp && line.contains("| ")) || line.starts_with("Warning: program compiled against libxml")
}

/// The lines of an answer: without white space at their ends, without empty ones, without noise.
pub(super) fn lines(text: &str) -> impl DoubleEndedIterator<Item = &str> {
    text.lines().map(str::trim_end).filter(|l| !l.is_empty() && !is_noise(l))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_utf8_first_and_then_the_page() {
        assert_eq!(Page::Number(949).decode(b"C:\\\xb0\xa1\\m.vmx"), "C:\\가\\m.vmx");
        assert_eq!(Page::Number(1252).decode(b"caf\xe9"), "café");
        assert_eq!(Page::Number(4).decode(b"a\xff"), "a\u{fffd}");
        assert_eq!(Page::Number(949).decode(b"\xff\xfe"), "\u{fffd}\u{fffd}");
    }

    #[test]
    fn noise_is_told_from_answers() {
        assert!(is_noise("2015-08-31T17:57:29.547| ServiceImpl_Opener: PID 5033"));
        assert!(is_noise("Warning: program compiled against libxml 210 using older 209"));
        assert!(!is_noise("2015-08-31 before the upgrade | ready"));
        assert!(!is_noise("가나다라마바사아자차카타"));
    }
}
