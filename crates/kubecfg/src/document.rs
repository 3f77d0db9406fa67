//! A kubeconfig as data: what it holds, wherever it came from.

use serde_json::{Map, Value};

use crate::KubecfgError;

pub(crate) const SECTIONS: [&str; 3] = ["clusters", "users", "contexts"];
pub(crate) const CURRENT: &str = "current-context";

/// The whole document; a kubeconfig is a mapping. Messages of the parser may quote secrets and are dropped.
pub(crate) fn parse(text: &str) -> Result<Map<String, Value>, KubecfgError> {
    let bad = |reason: &str| KubecfgError::NotAKubeconfig { reason: reason.to_owned() };
    let text = text.trim_start_matches('\u{feff}');
    if let Some(map) = json(text) {
        return Ok(map);
    }
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

/// The document, where it is JSON.
pub(crate) fn json(text: &str) -> Option<Map<String, Value>> {
    text.trim_start().starts_with('{').then(|| serde_json::from_str(text).ok()).flatten()
}

/// The entries of a section; an absent or empty one has none.
pub(crate) fn entries<'a>(document: &'a Map<String, Value>, section: &str) -> &'a [Value] {
    document.get(section).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// The first entry of this name.
pub(crate) fn entry<'a>(document: &'a Map<String, Value>, section: &str, name: &str) -> Option<&'a Value> {
    entries(document, section).iter().find(|item| item["name"] == name)
}

/// The current context, where one is chosen.
pub(crate) fn current(document: &Map<String, Value>) -> Option<&str> {
    document.get(CURRENT).and_then(Value::as_str).filter(|name| !name.is_empty())
}

/// Everything but the entries of this name; an absent, null and empty list are the same.
pub(crate) fn foreign(document: &Map<String, Value>, name: &str) -> Map<String, Value> {
    let mut rest = document.clone();
    for section in SECTIONS {
        let others: Vec<Value> = entries(&rest, section).iter().filter(|i| i["name"] != name).cloned().collect();
        rest.remove(section);
        if !others.is_empty() {
            rest.insert(section.to_owned(), Value::Array(others));
        }
    }
    if current(&rest).is_none_or(|current| current == name) {
        rest.remove(CURRENT);
    }
    rest
}
