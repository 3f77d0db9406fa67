//! Edits of a kubeconfig in JSON, as text: what is not ours stays byte for byte.

use std::ops::Range;

use serde_json::Value;

use crate::document::CURRENT;

/// Where the value of a top-level key stands.
fn value_of(text: &str, key: &str) -> Option<Range<usize>> {
    let bytes = text.as_bytes();
    let open = text.find('{')?;
    let mut at = open + 1;
    loop {
        at = blank(bytes, at);
        if bytes.get(at) != Some(&b'"') {
            return None;
        }
        let name = at..skip(bytes, at);
        let colon = blank(bytes, name.end);
        let start = blank(bytes, colon + 1);
        let value = start..skip(bytes, start);
        if serde_json::from_str::<String>(&text[name]).is_ok_and(|name| name == key) {
            return Some(value);
        }
        at = blank(bytes, value.end);
        at += usize::from(bytes.get(at) == Some(&b','));
    }
}

/// The elements of the array that stands here.
fn elements(text: &str, array: &Range<usize>) -> Vec<Range<usize>> {
    let bytes = text.as_bytes();
    let (mut found, mut at) = (Vec::new(), array.start + 1);
    loop {
        at = blank(bytes, at);
        if at >= array.end - 1 {
            return found;
        }
        let element = at..skip(bytes, at);
        at = blank(bytes, element.end);
        at += usize::from(bytes.get(at) == Some(&b','));
        found.push(element);
    }
}

fn blank(bytes: &[u8], mut at: usize) -> usize {
    while bytes.get(at).is_some_and(u8::is_ascii_whitespace) {
        at += 1;
    }
    at
}

/// The end of the value that starts here. The text has been parsed before: it is JSON.
fn skip(bytes: &[u8], start: usize) -> usize {
    let (mut at, mut depth) = (start, 0_usize);
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => {
                at += 1;
                while bytes.get(at).is_some_and(|b| *b != b'"') {
                    at += 1 + usize::from(bytes[at] == b'\\');
                }
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' if depth == 0 => return at,
            b'}' | b']' => depth -= 1,
            b',' | b' ' | b'\t' | b'\r' | b'\n' if depth == 0 => return at,
            _ => {}
        }
        at += 1;
        if depth == 0 && matches!(byte, b'"' | b'}' | b']') {
            return at;
        }
    }
    bytes.len()
}

fn named(text: &str, element: &Range<usize>, name: &str) -> bool {
    serde_json::from_str::<Value>(&text[element.clone()]).is_ok_and(|item| item["name"] == name)
}

fn replaced(text: &str, range: Range<usize>, new: &str) -> String {
    format!("{}{new}{}", &text[..range.start], &text[range.end..])
}

/// Puts a member before all others.
fn first(text: &str, key: &str, value: &str) -> String {
    let Some(open) = text.find('{') else { return text.to_owned() };
    let empty = text[open + 1..].trim_start().starts_with('}');
    let comma = if empty { "" } else { "," };
    replaced(text, open + 1..open + 1, &format!("{}:{value}{comma}", Value::from(key)))
}

/// The text with this item in the list under `key`, in its place or before all others.
pub(crate) fn put_item(text: &str, key: &str, name: &str, item: &Value) -> String {
    let Some(list) = value_of(text, key) else { return first(text, key, &format!("[{item}]")) };
    if !text[list.clone()].starts_with('[') {
        return replaced(text, list, &format!("[{item}]"));
    }
    let all = elements(text, &list);
    match all.iter().find(|e| named(text, e, name)) {
        Some(old) if serde_json::from_str::<Value>(&text[old.clone()]).is_ok_and(|old| old == *item) => text.to_owned(),
        Some(old) => replaced(text, old.clone(), &item.to_string()),
        None => {
            let comma = if all.is_empty() { "" } else { "," };
            replaced(text, list.start + 1..list.start + 1, &format!("{item}{comma}"))
        }
    }
}

/// The text without the item of this name in the list under `key`.
pub(crate) fn take_item(text: &str, key: &str, name: &str) -> String {
    let Some(list) = value_of(text, key).filter(|list| text[list.clone()].starts_with('[')) else {
        return text.to_owned();
    };
    let all = elements(text, &list);
    let Some(at) = all.iter().position(|e| named(text, e, name)) else { return text.to_owned() };
    let range = match (at.checked_sub(1).map(|before| all[before].end), all.get(at + 1)) {
        // the comma goes along; blanks stay, as ours had none
        (_, Some(_)) => {
            let comma = text[all[at].end..].find(',').map_or(all[at].end, |n| all[at].end + n + 1);
            all[at].start..comma
        }
        (Some(before), None) => before..all[at].end,
        (None, None) => all[at].clone(),
    };
    replaced(text, range, "")
}

/// The text with this current context.
pub(crate) fn set_current(text: &str, name: &str) -> String {
    let name = Value::from(name).to_string();
    match value_of(text, CURRENT) {
        Some(value) => replaced(text, value, &name),
        None => first(text, CURRENT, &name),
    }
}
