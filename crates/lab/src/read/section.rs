//! One table of the file after the other: keys, their values, and what is wrong with them.

use std::ops::{Range, RangeInclusive};
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::{Flaw, FlawKind, keys};

pub(super) struct Reader<'a> {
    pub(super) file: &'a Path,
    pub(super) text: &'a str,
    pub(super) flaws: Vec<Flaw>,
}

/// One table of the file with its name for messages.
#[derive(Clone, Copy)]
pub(super) struct Section<'t, 'a> {
    pub(super) name: &'static str,
    pub(super) span: usize,
    pub(super) table: Option<&'t DeTable<'a>>,
}

impl Section<'_, '_> {
    pub(super) fn key(&self, key: &str) -> String {
        if self.name.is_empty() { key.to_owned() } else { format!("{}.{key}", self.name) }
    }
}

impl Reader<'_> {
    pub(super) fn flaw(&mut self, span: Range<usize>, kind: FlawKind) {
        let before = &self.text[..span.start.min(self.text.len())];
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        self.flaws.push(Flaw { file: self.file.to_owned(), line, column, kind });
    }

    pub(super) fn bad(&mut self, section: Section<'_, '_>, key: &str, value: &Spanned<DeValue<'_>>, wanted: &str) {
        let found = self.text.get(value.span()).unwrap_or_default().trim().to_owned();
        self.flaw(value.span(), FlawKind::BadValue { key: section.key(key), found, wanted: wanted.to_owned() });
    }

    pub(super) fn missing(&mut self, section: Section<'_, '_>, key: &str) {
        self.flaw(section.span..section.span, FlawKind::Missing { key: section.key(key) });
    }

    /// Complains about keys that are not in `known`.
    pub(super) fn known(&mut self, section: Section<'_, '_>, known: &[&str]) {
        for key in section.table.into_iter().flat_map(|t| t.keys()) {
            let name: &str = key.get_ref();
            if !known.contains(&name) {
                let meant = keys::closest(name, known).map(|k| section.key(&k));
                self.flaw(key.span(), FlawKind::UnknownKey { key: section.key(name), meant });
            }
        }
    }

    pub(super) fn section<'t, 'a>(
        &mut self,
        top: Section<'t, 'a>,
        name: &'static str,
        known: &[&str],
    ) -> Section<'t, 'a> {
        let mut section = Section { name, span: 0, table: None };
        if let Some(value) = top.table.and_then(|t| t.get(name)) {
            section.span = value.span().start;
            match value.get_ref() {
                DeValue::Table(table) => section.table = Some(table),
                _ => self.bad(top, name, value, "a table"),
            }
        }
        self.known(section, known);
        section
    }

    pub(super) fn text(&mut self, section: Section<'_, '_>, key: &str) -> Option<String> {
        let value = section.table?.get(key)?;
        match value.get_ref() {
            DeValue::String(s) => Some(s.to_string()),
            _ => {
                self.bad(section, key, value, "a text in quotes");
                None
            }
        }
    }

    /// A text that `parse` must accept; `wanted` says what that is.
    pub(super) fn parsed<T>(
        &mut self,
        section: Section<'_, '_>,
        key: &str,
        wanted: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Option<T> {
        let text = self.text(section, key)?;
        let parsed = parse(&text);
        if parsed.is_none()
            && let Some(value) = section.table.and_then(|t| t.get(key))
        {
            self.bad(section, key, value, wanted);
        }
        parsed
    }

    /// One of these words, as what it stands for.
    pub(super) fn choice<T: Copy>(&mut self, section: Section<'_, '_>, key: &str, choices: &[(&str, T)]) -> Option<T> {
        let words: Vec<String> = choices.iter().map(|(word, _)| format!("\"{word}\"")).collect();
        let meant = |text: &str| choices.iter().find(|(word, _)| *word == text).map(|(_, meant)| *meant);
        self.parsed(section, key, &words.join(" or "), meant)
    }

    pub(super) fn number(
        &mut self,
        section: Section<'_, '_>,
        key: &str,
        range: RangeInclusive<u64>,
        default: u64,
    ) -> u64 {
        let Some(value) = section.table.and_then(|t| t.get(key)) else { return default };
        let number = match value.get_ref() {
            DeValue::Integer(i) => u64::from_str_radix(i.as_str(), i.radix()).ok().filter(|n| range.contains(n)),
            _ => None,
        };
        number.unwrap_or_else(|| {
            self.bad(section, key, value, &format!("a whole number from {} to {}", range.start(), range.end()));
            default
        })
    }

    pub(super) fn texts(&mut self, section: Section<'_, '_>, key: &str) -> Vec<String> {
        let Some(value) = section.table.and_then(|t| t.get(key)) else { return Vec::new() };
        let items: Option<Vec<String>> = match value.get_ref() {
            DeValue::Array(items) => items.iter().map(|i| i.get_ref().as_str().map(str::to_owned)).collect(),
            _ => None,
        };
        items.unwrap_or_else(|| {
            self.bad(section, key, value, "a list of texts");
            Vec::new()
        })
    }
}
