//! Edits of a kubeconfig in YAML's block style, as text: what is not ours stays byte for byte.

use std::ops::Range;

use serde_json::Value;

use crate::KubecfgError;
use crate::document::CURRENT;
use crate::layout::{Layout, Section};

/// Follows what we wrote into somebody's file. After `was` comes the text that stood there.
const MARK: &str = " # airlab";
const ADDED: &str = " # airlab added this line";
const WAS: &str = " # airlab, was";

/// A name written with escapes is not found; then the check of the whole document refuses the edit.
fn named(layout: &Layout<'_>, item: &Range<usize>, name: &str) -> bool {
    layout.lines[item.clone()].iter().any(|line| line.contains(name)) && layout.name(item).as_deref() == Some(name)
}

fn marked(line: &str) -> bool {
    line.trim_end().ends_with(MARK)
}

/// Whether the entry of this name was written here by us.
pub(crate) fn is_marked(layout: &Layout<'_>, section: &'static str, name: &str) -> Result<bool, KubecfgError> {
    let Some(found) = layout.section(section)? else { return Ok(false) };
    Ok(found.items.iter().any(|item| marked(layout.lines[item.start]) && named(layout, item, name)))
}

/// The item's lines, indented like its neighbours, its first line marked.
fn shaped(item: &str, indent: usize) -> Vec<String> {
    let pad = " ".repeat(indent);
    let mut lines: Vec<String> = item.trim_end().lines().map(|line| format!("{pad}{line}")).collect();
    if let Some(first) = lines.first_mut() {
        first.push_str(MARK);
    }
    lines
}

/// The lines with some of them exchanged.
fn spliced(layout: &Layout<'_>, range: Range<usize>, new: Vec<String>) -> String {
    let mut lines: Vec<String> = layout.lines.iter().map(|l| (*l).to_owned()).collect();
    lines.splice(range, new);
    lines.join(layout.newline)
}

pub(crate) fn put_item(text: &str, key: &str, name: &str, item: &str) -> Result<String, KubecfgError> {
    let layout = Layout::new(text);
    let Some(section) = layout.section(key)? else {
        let at = layout.first_key().unwrap_or(0);
        let mut lines = vec![format!("{key}:{ADDED}")];
        lines.extend(shaped(item, 0));
        return Ok(spliced(&layout, at..at, lines));
    };
    let new = shaped(item, section.indent);
    if let Some(old) = section.items.iter().find(|i| named(&layout, i, name)) {
        let same = layout.lines[old.clone()].iter().map(|line| line.trim_end_matches('\r')).eq(&new)
            || !marked(layout.lines[old.start]) && {
                // Somebody's tool rewrote the file in its own style: equal content is good enough.
                let (a, b) = (layout.lines[old.clone()].join("\n"), item);
                serde_saphyr::from_str::<Value>(&a).ok() == serde_saphyr::from_str::<Value>(b).ok()
            };
        return Ok(if same { text.to_owned() } else { spliced(&layout, old.clone(), new) });
    }
    let mut lines = vec![head(&layout, &section, key)];
    lines.extend(new);
    Ok(spliced(&layout, section.key..section.key + 1, lines))
}

/// The key's line, ready for items below it: `clusters: []` must become `clusters:`.
fn head(layout: &Layout<'_>, section: &Section, key: &str) -> String {
    let line = layout.lines[section.key];
    let value = &line[key.len() + 1..];
    if section.is_empty { format!("{key}:{WAS}{value}") } else { line.to_owned() }
}

pub(crate) fn take_item(text: &str, key: &str, name: &str) -> Result<String, KubecfgError> {
    let layout = Layout::new(text);
    let Some(section) = layout.section(key)? else { return Ok(text.to_owned()) };
    let Some(ours) = section.items.iter().find(|i| named(&layout, i, name)) else { return Ok(text.to_owned()) };
    let mut lines: Vec<String> = layout.lines.iter().map(|l| (*l).to_owned()).collect();
    lines.drain(ours.clone());
    let line = lines[section.key].clone();
    if section.items.len() == 1 {
        if line.trim_end() == format!("{key}:{ADDED}") {
            lines.remove(section.key);
        } else if let Some((_, value)) = line.split_once(WAS) {
            lines[section.key] = format!("{key}:{value}");
        } else if !marked(layout.lines[ours.start]) {
            lines[section.key] = format!("{key}: []");
        }
    }
    Ok(lines.join(layout.newline))
}

pub(crate) fn set_current(text: &str, name: &str) -> String {
    let layout = Layout::new(text);
    let quoted = serde_json::Value::from(name).to_string();
    match layout.key(CURRENT) {
        Some((line, value)) => spliced(&layout, line..line + 1, vec![format!("{CURRENT}: {quoted}{WAS}{value}")]),
        None => {
            let at = layout.first_key().unwrap_or(0);
            spliced(&layout, at..at, vec![format!("{CURRENT}: {quoted}{ADDED}")])
        }
    }
}

pub(crate) fn unset_current(text: &str) -> String {
    let layout = Layout::new(text);
    let Some((line, value)) = layout.key(CURRENT) else { return text.to_owned() };
    let new = if value.trim_end().ends_with(ADDED) {
        Vec::new()
    } else if let Some((_, was)) = value.split_once(WAS) {
        vec![format!("{CURRENT}:{was}")]
    } else {
        vec![format!("{CURRENT}: \"\"")]
    };
    spliced(&layout, line..line + 1, new)
}
