//! Putting one cluster into somebody's file, and taking it out again, as text.

use std::ops::Range;

use secrecy::ExposeSecret;
use serde_json::{Map, Value};

use crate::layout::{Layout, Section};
use crate::{KubecfgError, Kubeconfig};

/// Follows what we wrote into somebody's file. After `was` comes the text that stood there.
const MARK: &str = " # airlab";
const ADDED: &str = " # airlab added this line";
const WAS: &str = " # airlab, was";
const NEW_FILE: &str = "# airlab made this file\n";
const SECTIONS: [&str; 3] = ["clusters", "users", "contexts"];
const CURRENT: &str = "current-context";

/// What became of our entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// The file had none of them.
    Added,
    /// They were there and are different now.
    Updated,
    /// They were there like this.
    Unchanged,
}

/// What [`merge_into`] did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Our entries.
    pub change: Change,
    /// Whether our context is the current one. Somebody else's choice is left alone.
    pub is_current: bool,
}

/// Puts the cluster into the text of a kubeconfig and gives back the new text. What is not ours stays byte for byte;
/// the current context is set only where none was. Every edit is checked by parsing both texts.
///
/// # Errors
/// [`KubecfgError::NotAKubeconfig`], [`KubecfgError::Layout`] for flow style and JSON, [`KubecfgError::Taken`] for an
/// entry of our name that belongs to another cluster.
///
/// ```
/// let mine = "# mine\napiVersion: v1\nkind: Config\nclusters: []\nusers: []\ncontexts: []\n";
/// let ours = kubecfg::Kubeconfig::admin("demo", "https://192.168.6.10:6443", "CA", "CERT", &"KEY".into());
/// let (merged, report) = kubecfg::merge_into(mine, &ours).unwrap();
/// assert!(report.is_current && merged.starts_with("# mine\n"));
/// assert_eq!(kubecfg::remove_from(&merged, "demo").unwrap(), mine);
/// ```
pub fn merge_into(text: &str, ours: &Kubeconfig) -> Result<(String, Report), KubecfgError> {
    if text.trim().is_empty() {
        let new = format!("{text}{NEW_FILE}{}", ours.render()?.expose_secret());
        return Ok((new, Report { change: Change::Added, is_current: true }));
    }
    let before = parsed(text)?;
    check_owner(text, &before, ours)?;
    let mut new = text.to_owned();
    for (section, item) in ours.items()? {
        new = put_item(&new, section, ours.name(), &item)?;
    }
    let current = before.get(CURRENT).and_then(Value::as_str).unwrap_or_default();
    if current.is_empty() {
        new = set_current(&new, ours.name());
    }
    let after = parsed(&new).map_err(|_| unusual())?;
    let had = SECTIONS.iter().any(|section| entry(&before, section, ours.name()).is_some());
    let all = SECTIONS.iter().all(|section| entry(&after, section, ours.name()).is_some());
    if !all || foreign(&before, ours.name()) != foreign(&after, ours.name()) {
        return Err(unusual());
    }
    let change = match (new == text, had) {
        (true, _) => Change::Unchanged,
        (false, true) => Change::Updated,
        (false, false) => Change::Added,
    };
    let is_current = after.get(CURRENT).and_then(Value::as_str) == Some(ours.name());
    Ok((new, Report { change, is_current }))
}

/// Takes the entries of this name out again. Where nobody else touched the file since [`merge_into`], the bytes are
/// those from before it.
///
/// # Errors
/// As [`merge_into`].
pub fn remove_from(text: &str, name: &str) -> Result<String, KubecfgError> {
    if text.trim().is_empty() {
        return Ok(text.to_owned());
    }
    let before = parsed(text)?;
    let mut new = text.to_owned();
    for section in SECTIONS {
        new = take_item(&new, section, name)?;
    }
    if before.get(CURRENT).and_then(Value::as_str) == Some(name) {
        new = unset_current(&new);
    }
    let after = parsed(&new).map_err(|_| unusual())?;
    if SECTIONS.iter().any(|section| entry(&after, section, name).is_some())
        || foreign(&before, name) != foreign(&after, name)
    {
        return Err(unusual());
    }
    let empty = SECTIONS.iter().all(|section| after.get(*section).and_then(Value::as_array).is_none_or(Vec::is_empty));
    match new.find(NEW_FILE) {
        Some(start) if empty => Ok(new[..start].to_owned()),
        _ => Ok(new),
    }
}

fn unusual() -> KubecfgError {
    KubecfgError::Layout { line: 1, reason: "it is laid out in an unusual way" }
}

/// The whole document; a kubeconfig is a mapping. Messages of the parser may quote secrets and are dropped.
fn parsed(text: &str) -> Result<Map<String, Value>, KubecfgError> {
    if text.trim_start().starts_with('{') {
        return Err(KubecfgError::Layout { line: 1, reason: "it is JSON" });
    }
    let bad = |reason: &str| KubecfgError::NotAKubeconfig { reason: reason.to_owned() };
    match serde_saphyr::from_str::<Value>(text) {
        Ok(Value::Object(map)) => Ok(map),
        Ok(Value::Null) => Ok(Map::new()),
        Ok(_) => Err(bad("it is not a mapping")),
        Err(e) => Err(bad(&match e.location() {
            Some(at) => format!("no YAML at line {}, column {}", at.line(), at.column()),
            None => "no YAML".to_owned(),
        })),
    }
}

fn entry<'a>(document: &'a Map<String, Value>, section: &str, name: &str) -> Option<&'a Value> {
    document.get(section)?.as_array()?.iter().find(|item| item["name"] == name)
}

/// Everything but the entries of this name; an absent, null and empty list are the same.
fn foreign(document: &Map<String, Value>, name: &str) -> Map<String, Value> {
    let mut rest = document.clone();
    for section in SECTIONS {
        let list = rest.remove(section).unwrap_or_default();
        let others: Vec<Value> = list.as_array().into_iter().flatten().filter(|i| i["name"] != name).cloned().collect();
        if !others.is_empty() {
            rest.insert(section.to_owned(), Value::Array(others));
        }
    }
    let current = rest.get(CURRENT).and_then(Value::as_str).unwrap_or_default();
    if current.is_empty() || current == name {
        rest.remove(CURRENT);
    }
    rest
}

/// Ours is what carries our mark, or leads to a cluster with our authority.
fn check_owner(text: &str, before: &Map<String, Value>, ours: &Kubeconfig) -> Result<(), KubecfgError> {
    let layout = Layout::new(text);
    let authority = Value::from(ours.cluster.certificate_authority_data.as_str());
    let same = entry(before, "clusters", ours.name())
        .is_some_and(|cluster| cluster["cluster"]["certificate-authority-data"] == authority);
    for section in SECTIONS {
        if same || entry(before, section, ours.name()).is_none() {
            continue;
        }
        let marked = layout.section(section)?.is_some_and(|found| {
            found.items.iter().any(|i| layout.lines[i.start].ends_with(MARK) && named(&layout, i, ours.name()))
        });
        if !marked && !text.contains(NEW_FILE) {
            return Err(KubecfgError::Taken { section, name: ours.name().to_owned() });
        }
    }
    Ok(())
}

fn named(layout: &Layout<'_>, item: &Range<usize>, name: &str) -> bool {
    layout.name(item).as_deref() == Some(name)
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

fn put_item(text: &str, key: &str, name: &str, item: &str) -> Result<String, KubecfgError> {
    let layout = Layout::new(text);
    let Some(section) = layout.section(key)? else {
        let at = layout.first_key().unwrap_or(0);
        let mut lines = vec![format!("{key}:{ADDED}")];
        lines.extend(shaped(item, 0));
        return Ok(spliced(&layout, at..at, lines));
    };
    let new = shaped(item, section.indent);
    if let Some(old) = section.items.iter().find(|i| named(&layout, i, name)) {
        let same = layout.lines[old.clone()] == new[..]
            || !layout.lines[old.start].ends_with(MARK) && {
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
    if value.split(" #").next().unwrap_or_default().trim().is_empty() {
        line.to_owned()
    } else {
        format!("{key}:{WAS}{value}")
    }
}

fn take_item(text: &str, key: &str, name: &str) -> Result<String, KubecfgError> {
    let layout = Layout::new(text);
    let Some(section) = layout.section(key)? else { return Ok(text.to_owned()) };
    let Some(ours) = section.items.iter().find(|i| named(&layout, i, name)) else { return Ok(text.to_owned()) };
    let mut lines: Vec<String> = layout.lines.iter().map(|l| (*l).to_owned()).collect();
    lines.drain(ours.clone());
    let line = lines[section.key].clone();
    if section.items.len() == 1 {
        if line == format!("{key}:{ADDED}") {
            lines.remove(section.key);
        } else if let Some((_, value)) = line.split_once(WAS) {
            lines[section.key] = format!("{key}:{value}");
        } else if !layout.lines[ours.start].ends_with(MARK) {
            lines[section.key] = format!("{key}: []");
        }
    }
    Ok(lines.join(layout.newline))
}

fn set_current(text: &str, name: &str) -> String {
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

fn unset_current(text: &str) -> String {
    let layout = Layout::new(text);
    let Some((line, value)) = layout.key(CURRENT) else { return text.to_owned() };
    let new = if value.ends_with(ADDED) {
        Vec::new()
    } else if let Some((_, was)) = value.split_once(WAS) {
        vec![format!("{CURRENT}:{was}")]
    } else {
        vec![format!("{CURRENT}: \"\"")]
    };
    spliced(&layout, line..line + 1, new)
}
