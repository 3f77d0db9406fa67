//! Putting one cluster into somebody's file, and taking it out again, as text.

use secrecy::ExposeSecret;
use serde_json::{Map, Value};

use crate::document::{SECTIONS, current, entries, entry, foreign, json, parse};
use crate::layout::Layout;
use crate::{Conflict, KubecfgError, Kubeconfig, block};

pub(crate) const NEW_FILE: &str = "# airlab made this file\n";
const BOM: char = '\u{feff}';

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
/// the current context is set only where none was, and a namespace chosen for ours is kept. Every edit is checked by
/// parsing both texts.
///
/// # Errors
/// [`KubecfgError::NotAKubeconfig`], [`KubecfgError::Layout`] for lists in YAML's flow style, [`KubecfgError::Taken`]
/// for entries of our name that belong to another cluster.
///
/// ```
/// let mine = "# mine\napiVersion: v1\nkind: Config\nclusters: []\nusers: []\ncontexts: []\n";
/// let ours = kubecfg::Kubeconfig::admin("demo", "https://192.168.6.10:6443", "CA", "CERT", &"KEY".into());
/// let (merged, report) = kubecfg::merge_into(mine, &ours).unwrap();
/// assert!(report.is_current && merged.starts_with("# mine\n"));
/// assert_eq!(kubecfg::remove_from(&merged, "demo").unwrap(), mine);
/// ```
pub fn merge_into(text: &str, ours: &Kubeconfig) -> Result<(String, Report), KubecfgError> {
    if let Some(text) = text.strip_prefix(BOM) {
        let (new, report) = merge_into(text, ours)?;
        return Ok((format!("{BOM}{new}"), report));
    }
    if text.trim().is_empty() {
        let new = format!("{text}{NEW_FILE}{}", ours.render()?.expose_secret());
        return Ok((new, Report { change: Change::Added, is_current: true }));
    }
    let before = parse(text)?;
    let conflicts = conflicts(text, &before, ours)?;
    if !conflicts.is_empty() {
        return Err(KubecfgError::Taken { name: ours.name().to_owned(), conflicts });
    }
    let chosen = entry(&before, "contexts", ours.name()).and_then(|c| c["context"]["namespace"].as_str());
    let ours = &ours.clone().with_namespace(chosen);
    let as_json = json(text).is_some();
    let mut new = text.to_owned();
    for (section, item) in ours.items()? {
        new = match as_json {
            true => crate::json::put_item(&new, section, ours.name(), &only(&item)?),
            false => block::put_item(&new, section, ours.name(), &item)?,
        };
    }
    if current(&before).is_none() {
        new = match as_json {
            true => crate::json::set_current(&new, ours.name()),
            false => block::set_current(&new, ours.name()),
        };
    }
    let after = parse(&new).map_err(|_| unusual())?;
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
    let is_current = current(&after) == Some(ours.name());
    Ok((new, Report { change, is_current }))
}

/// Takes the entries of this name out again, whoever made them. Where nobody else touched the file since
/// [`merge_into`], the bytes are those from before it.
///
/// # Errors
/// As [`merge_into`], but for [`KubecfgError::Taken`].
pub fn remove_from(text: &str, name: &str) -> Result<String, KubecfgError> {
    if let Some(text) = text.strip_prefix(BOM) {
        return remove_from(text, name).map(|new| format!("{BOM}{new}"));
    }
    if text.trim().is_empty() {
        return Ok(text.to_owned());
    }
    let before = parse(text)?;
    let as_json = json(text).is_some();
    let mut new = text.to_owned();
    for section in SECTIONS {
        // one at a time, where somebody has several of one name
        for _ in entries(&before, section).iter().filter(|item| item["name"] == name) {
            new = match as_json {
                true => crate::json::take_item(&new, section, name),
                false => block::take_item(&new, section, name)?,
            };
        }
    }
    if current(&before) == Some(name) {
        new = if as_json { crate::json::set_current(&new, "") } else { block::unset_current(&new) };
    }
    let after = parse(&new).map_err(|_| unusual())?;
    if SECTIONS.iter().any(|section| entry(&after, section, name).is_some())
        || foreign(&before, name) != foreign(&after, name)
    {
        return Err(unusual());
    }
    let empty = SECTIONS.iter().all(|section| entries(&after, section).is_empty());
    match new.find(NEW_FILE) {
        Some(start) if empty => Ok(new[..start].to_owned()),
        _ => Ok(new),
    }
}

/// [`remove_from`], where the entries are this cluster's; entries of the same name that are somebody else's stay.
///
/// # Errors
/// As [`remove_from`].
pub fn remove_ours(text: &str, ours: &Kubeconfig) -> Result<String, KubecfgError> {
    let body = text.trim_start_matches(BOM);
    match conflicts(body, &parse(body)?, ours)?.is_empty() {
        true => remove_from(text, ours.name()),
        false => Ok(text.to_owned()),
    }
}

fn unusual() -> KubecfgError {
    KubecfgError::Layout { line: 1, reason: "it is laid out in an unusual way" }
}

/// The one item of a list.
fn only(list: &str) -> Result<Value, KubecfgError> {
    let list: Vec<Value> = serde_saphyr::from_str(list).map_err(|_| unusual())?;
    list.into_iter().next().ok_or_else(unusual)
}

/// Entries of our name that are not ours. Ours is what carries our mark, leads to a cluster with our authority, or
/// logs in with our certificate.
fn conflicts(text: &str, before: &Map<String, Value>, ours: &Kubeconfig) -> Result<Vec<Conflict>, KubecfgError> {
    let name = ours.name();
    let is = |value: &Value, ours: &str| !ours.is_empty() && value == ours;
    let by = |section, test: &dyn Fn(&Value) -> bool| entry(before, section, name).is_some_and(test);
    let same = by("clusters", &|item| {
        is(&item["cluster"]["certificate-authority-data"], &ours.cluster.certificate_authority_data)
    }) || by("users", &|item| is(&item["user"]["client-certificate-data"], &ours.user.certificate));
    let layout = Layout::new(text);
    let mut found = Vec::new();
    for section in SECTIONS {
        let mut entries = entries(before, section).iter().filter(|item| item["name"] == name);
        let Some(first) = entries.next() else { continue };
        let twice = entries.next().is_some();
        if !twice && (same || text.contains(NEW_FILE) || block::is_marked(&layout, section, name)?) {
            continue;
        }
        let leads_to = match section {
            "clusters" => first["cluster"]["server"].as_str(),
            "contexts" => first["context"]["cluster"].as_str(),
            _ => None,
        };
        found.push(Conflict { section, leads_to: leads_to.unwrap_or_default().to_owned(), twice });
    }
    Ok(found)
}
