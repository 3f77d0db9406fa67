//! The boot menu of an Ubuntu-shaped installer: reading entries, editing kernel arguments in place.

/// One entry of the menu that starts a Linux kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MenuEntry {
    /// The title shown.
    pub title: String,
    /// The kernel's path in the ISO, such as `/casper/vmlinuz`.
    pub kernel: String,
    /// The kernel's arguments as the kernel sees them, `---` included.
    pub args: Vec<String>,
    /// The initial RAM disk's path; empty when there is none.
    pub initrd: String,
}

/// The text of a `grub.cfg`. Lines that are not edited stay as they are.
///
/// ```
/// let text = "set timeout=30\nmenuentry \"Install\" {\n\tlinux\t/casper/vmlinuz   ---\n\tinitrd\t/casper/initrd\n}\n";
/// let mut grub = seed_iso::Grub::parse(text);
/// grub.add_args(&["autoinstall".into(), "ds=nocloud;s=/cidata/".into()], &["console=ttyS0".into()]);
/// grub.set_timeout(1);
/// let entry = grub.default_entry().unwrap();
/// assert_eq!(entry.args, ["autoinstall", "ds=nocloud;s=/cidata/", "---", "console=ttyS0"]);
/// assert!(grub.render().contains("linux\t/casper/vmlinuz autoinstall ds=nocloud\\;s=/cidata/ --- console=ttyS0\n"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grub {
    lines: Vec<String>,
}

/// What separates the live session's arguments from those kept for the installed system.
const SEPARATOR: &str = "---";

impl Grub {
    /// Takes the text of a `grub.cfg`; anything is accepted.
    pub fn parse(text: &str) -> Self {
        Self { lines: text.split_inclusive('\n').map(str::to_owned).collect() }
    }

    /// The entries that start a Linux kernel, together with their place in the whole menu.
    fn numbered(&self) -> Vec<(usize, MenuEntry)> {
        let mut entries: Vec<(usize, MenuEntry)> = Vec::new();
        let (mut count, mut open) = (0_usize, None::<(usize, MenuEntry)>);
        for line in &self.lines {
            let words = words(line);
            match words.first().map(String::as_str) {
                Some("menuentry") => {
                    entries.extend(open.take().filter(|(_, e)| !e.kernel.is_empty()));
                    let title = words.get(1).cloned().unwrap_or_default();
                    open =
                        Some((count, MenuEntry { title, kernel: String::new(), args: vec![], initrd: String::new() }));
                    count += 1;
                }
                Some("linux" | "linuxefi") => {
                    if let Some((_, entry)) = &mut open {
                        entry.kernel = words.get(1).cloned().unwrap_or_default();
                        entry.args = words.into_iter().skip(2).collect();
                    }
                }
                Some("initrd" | "initrdefi") => {
                    if let Some((_, entry)) = &mut open {
                        entry.initrd = words.get(1).cloned().unwrap_or_default();
                    }
                }
                _ => {}
            }
        }
        entries.extend(open.filter(|(_, e)| !e.kernel.is_empty()));
        entries
    }

    /// The entries that start a Linux kernel, in the order of the menu.
    pub fn entries(&self) -> Vec<MenuEntry> {
        self.numbered().into_iter().map(|(_, entry)| entry).collect()
    }

    /// The entry that starts by itself: what `set default=` names by number or title, else the menu's first one.
    /// `None` when that one starts no kernel.
    pub fn default_entry(&self) -> Option<MenuEntry> {
        let wanted = self.setting("default").unwrap_or_default();
        let number = wanted.parse().ok();
        let numbered = self.numbered();
        let by_title = number.is_none().then(|| numbered.iter().find(|(_, e)| e.title == wanted)).flatten();
        let found = by_title.or_else(|| numbered.iter().find(|(n, _)| *n == number.unwrap_or(0)));
        found.map(|(_, entry)| entry.clone())
    }

    /// Seconds until the default entry starts by itself, where the menu says so.
    pub fn timeout(&self) -> Option<i64> {
        self.setting("timeout")?.parse().ok()
    }

    fn setting(&self, name: &str) -> Option<String> {
        self.lines.iter().find_map(|line| {
            let words = words(line);
            let (key, value) = words.get(1)?.split_once('=')?;
            (words.first()? == "set" && key == name).then(|| value.to_owned())
        })
    }

    /// Sets the time until the default entry starts, in seconds; a menu that waits for ever gets a line for it.
    pub fn set_timeout(&mut self, seconds: u32) {
        let wanted = format!("set timeout={seconds}\n");
        let of = |line: &String| line.trim_start().starts_with("set timeout=");
        match self.lines.iter_mut().find(|l| of(l)) {
            Some(line) => *line = wanted,
            None => self.lines.insert(0, wanted),
        }
    }

    /// Puts arguments before the `---` of every kernel line that has one (for the live session), and after it (kept
    /// for the installed system). Says how many lines were changed.
    pub fn add_args(&mut self, before: &[String], after: &[String]) -> usize {
        let mut changed = 0;
        for line in &mut self.lines {
            let first = line.split_whitespace().next();
            if !matches!(first, Some("linux" | "linuxefi")) || (before.is_empty() && after.is_empty()) {
                continue;
            }
            let Some(at) = separator(line) else { continue };
            let (front, back) = (line[..at].trim_end(), &line[at + SEPARATOR.len()..]);
            let end = &back[back.trim_end_matches(['\r', '\n']).len()..];
            let mut out = front.to_owned();
            let tail = back.trim();
            let kept = [SEPARATOR].into_iter().map(str::to_owned).chain((!tail.is_empty()).then(|| tail.to_owned()));
            for word in before.iter().map(|w| quoted(w)).chain(kept).chain(after.iter().map(|w| quoted(w))) {
                out.push(' ');
                out.push_str(&word);
            }
            *line = format!("{out}{end}");
            changed += 1;
        }
        changed
    }

    /// The text of the file.
    pub fn render(&self) -> String {
        self.lines.concat()
    }
}

/// Where a word `---` begins in the line.
fn separator(line: &str) -> Option<usize> {
    line.match_indices(SEPARATOR).map(|(at, _)| at).find(|at| {
        let after = line[at + SEPARATOR.len()..].chars().next();
        line[..*at].ends_with([' ', '\t']) && after.is_none_or(char::is_whitespace)
    })
}

/// An argument the way GRUB's shell reads it back.
fn quoted(word: &str) -> String {
    let mut out = String::with_capacity(word.len());
    for c in word.chars() {
        if " \t;&|<>{}$\"'\\#".contains(c) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// The words of a line, as GRUB's shell would cut it: quotes and backslashes taken away, variables left as they are.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (Some(q), _) if c == q => quote = None,
            (Some('"') | None, '\\') => {
                let next = chars.next();
                word.get_or_insert_default().extend(next.filter(|n| *n != '\n'));
            }
            (Some(_), _) => word.get_or_insert_default().push(c),
            (None, '"' | '\'') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, '#') if word.is_none() => break,
            (None, ';') => break,
            (None, _) if c.is_whitespace() => words.extend(word.take()),
            (None, _) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MENU: &str = include_str!("../tests/grub.cfg");

    #[test]
    fn the_first_entry_is_the_default_one() {
        let grub = Grub::parse(MENU);
        let entry = grub.default_entry().unwrap();
        assert_eq!((entry.title.as_str(), entry.kernel.as_str()), ("Try or Install Ubuntu Server", "/casper/vmlinuz"));
        assert_eq!((entry.initrd.as_str(), entry.args.as_slice()), ("/casper/initrd", &["---".to_owned()][..]));
        assert_eq!((grub.entries().len(), grub.timeout()), (2, Some(30)));
    }

    #[test]
    fn a_default_by_number_or_title_is_honoured() {
        for default in ["1", "\"Ubuntu Server with the HWE kernel\""] {
            let grub = Grub::parse(&format!("set default={default}\n{MENU}"));
            assert_eq!(grub.default_entry().unwrap().kernel, "/casper/hwe-vmlinuz", "{default}");
        }
        assert_eq!(Grub::parse(&format!("set default=3\n{MENU}")).default_entry(), None);
    }

    #[test]
    fn only_the_kernel_lines_and_the_timeout_change() {
        let mut grub = Grub::parse(MENU);
        let words = |w: &[&str]| w.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>();
        let changed = grub.add_args(&words(&["autoinstall", "ds=nocloud;s=/cdrom/x/"]), &words(&["console=ttyS0"]));
        grub.set_timeout(1);
        assert_eq!(changed, 2);
        insta::assert_snapshot!(grub.render());
    }

    proptest! {
        #[test]
        fn any_argument_survives_grubs_shell(word in "[!-~]([ -~]{0,20}[!-~])?") {
            let mut grub = Grub::parse(MENU);
            prop_assume!(word != "---");
            grub.add_args(std::slice::from_ref(&word), &[]);
            prop_assert_eq!(&grub.default_entry().unwrap().args[0], &word);
        }
    }
}
