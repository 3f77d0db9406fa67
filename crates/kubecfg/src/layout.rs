//! Where things are in the text of a kubeconfig: top-level keys, and the items of their block lists.

use std::ops::Range;

use serde::Deserialize;

use crate::KubecfgError;

/// The text as lines without their ends, and how they end.
pub(crate) struct Layout<'a> {
    pub(crate) lines: Vec<&'a str>,
    pub(crate) newline: &'static str,
}

/// A top-level key with a list.
pub(crate) struct Section {
    /// Its value says so: `[]`, `null`, `~`.
    pub(crate) is_empty: bool,
    /// Line of the key.
    pub(crate) key: usize,
    /// Spaces before the dashes; 0 for an empty list.
    pub(crate) indent: usize,
    /// Lines of each item, without comments and blank lines behind it.
    pub(crate) items: Vec<Range<usize>>,
}

#[derive(Deserialize)]
struct Named {
    name: String,
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start_matches(' ').len()
}

fn is_blank(line: &str) -> bool {
    let text = line.trim();
    text.is_empty() || text.starts_with('#')
}

impl<'a> Layout<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        // of mixed ends, the odd ones stay with their lines
        let crlf = text.contains('\n') && text.matches("\r\n").count() == text.matches('\n').count();
        let newline = if crlf { "\r\n" } else { "\n" };
        Self { lines: text.split(newline).collect(), newline }
    }

    /// The first line of the document's content: new keys go before it.
    pub(crate) fn first_key(&self) -> Option<usize> {
        self.lines.iter().position(|line| !is_blank(line) && !line.starts_with("---") && !line.starts_with('%'))
    }

    /// The line of a top-level key, and the text behind its colon.
    pub(crate) fn key(&self, key: &str) -> Option<(usize, &'a str)> {
        let value = |line: &&'a str| line.strip_prefix(key).and_then(|rest| rest.strip_prefix(':'));
        self.lines.iter().enumerate().find_map(|(n, line)| Some((n, value(line)?)))
    }

    /// A list under a top-level key. `None`: no such key.
    pub(crate) fn section(&self, key: &str) -> Result<Option<Section>, KubecfgError> {
        let Some((line, value)) = self.key(key) else { return Ok(None) };
        let value = value.split(" #").next().unwrap_or_default().trim();
        let layout = |reason| KubecfgError::Layout { line: line + 1, reason };
        if matches!(value, "[]" | "null" | "~") {
            return Ok(Some(Section { is_empty: true, key: line, indent: 0, items: Vec::new() }));
        }
        // an anchor or a tag belongs to the list that follows
        if !value.is_empty() && (!value.starts_with(['&', '!']) || value.contains(char::is_whitespace)) {
            let reason = if value.starts_with('*') { "the list is an alias" } else { "the list is in flow style" };
            return Err(layout(reason));
        }
        let end = self.section_end(line + 1);
        let body = line + 1..end;
        let starts: Vec<usize> = body.clone().filter(|n| !is_blank(self.lines[*n])).collect();
        let Some(first) = starts.first() else {
            return Ok(Some(Section { is_empty: false, key: line, indent: 0, items: Vec::new() }));
        };
        let dash = indent(self.lines[*first]);
        let is_dash = |n: &usize| indent(self.lines[*n]) == dash && self.lines[*n][dash..].starts_with('-');
        if !is_dash(first) {
            return Err(layout("it is not a block list"));
        }
        let heads: Vec<usize> = starts.iter().copied().filter(|n| is_dash(n)).collect();
        let mut items = Vec::new();
        for (i, head) in heads.iter().enumerate() {
            let next = heads.get(i + 1).copied().unwrap_or(end);
            let last = starts.iter().copied().rfind(|n| (*head..next).contains(n)).unwrap_or(*head);
            items.push(*head..last + 1);
        }
        Ok(Some(Section { is_empty: false, key: line, indent: dash, items }))
    }

    fn section_end(&self, from: usize) -> usize {
        let outside = |line: &str| !is_blank(line) && !line.starts_with(' ') && !line.starts_with('-');
        let marker = |line: &str| line.starts_with("---") || line.starts_with("...");
        let found = self.lines[from..].iter().position(|line| outside(line) || marker(line));
        found.map_or(self.lines.len(), |n| from + n)
    }

    /// The `name` of an item, where it can be read by itself.
    pub(crate) fn name(&self, item: &Range<usize>) -> Option<String> {
        let text = self.lines[item.clone()].join("\n");
        let list: Vec<Named> = serde_saphyr::from_str(&text).ok()?;
        list.into_iter().next().map(|named| named.name)
    }
}
