//! What happened, why, and what to do, for every problem id and in every language.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::language::Language;

/// The ids one crate can answer with, and the sentences for them.
// At run time an id is looked up as it comes; the names and lists are what the sentences are tested against.
#[cfg_attr(not(test), expect(dead_code, reason = "read by the tests of the catalogue"))]
pub(crate) struct Chapter {
    pub(crate) name: &'static str,
    pub(crate) problems: &'static [&'static str],
    en: &'static str,
    ko: &'static str,
}

impl Chapter {
    pub(crate) fn text(&self, language: Language) -> &'static str {
        match language {
            Language::English => self.en,
            Language::Korean => self.ko,
        }
    }
}

macro_rules! chapters {
    ($($name:literal $problems:expr,)*) => {
        &[$(Chapter {
            name: $name,
            problems: $problems,
            en: include_str!(concat!("../messages/en/", $name, ".toml")),
            ko: include_str!(concat!("../messages/ko/", $name, ".toml")),
        },)*]
    };
}

/// One line per crate: the folder name of its messages, and its list of ids. Keep it in alphabetical order.
pub(crate) const CHAPTERS: &[Chapter] = chapters![
    "airlab" airlab::PROBLEMS,
    "artifacts" artifacts::PROBLEMS,
    "cli" crate::failure::PROBLEMS,
    "cloudinit" cloudinit::PROBLEMS,
    "demolab" demolab::PROBLEMS,
    "envcheck" envcheck::PROBLEMS,
    "k3s-bootstrap" k3s_bootstrap::PROBLEMS,
    "kubeapi" kubeapi::PROBLEMS,
    "kubecfg" kubecfg::PROBLEMS,
    "kubesphere" kubesphere::PROBLEMS,
    "lab" lab::PROBLEMS,
    "machine" machine::PROBLEMS,
    "pki" pki::PROBLEMS,
    "qvmrun" qvmrun::PROBLEMS,
    "registry-mirror" registry_mirror::PROBLEMS,
    "seed-iso" seed_iso::PROBLEMS,
    "steps" steps::PROBLEMS,
    "timesync" timesync::PROBLEMS,
    "vmware" vmware::PROBLEMS,
];

/// The texts of one problem; `{name}` stands for an argument of the problem.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Message {
    /// Exit code of a program that ends with this problem. Written in the English file only.
    pub exit: Option<u8>,
    /// What happened, as one line.
    pub what: String,
    /// Why.
    pub why: String,
    /// What to do: one command that can be pasted.
    pub fix: Option<String>,
    /// What to do, where only prose helps.
    pub advice: Option<String>,
}

/// Every message in one language.
///
/// ```
/// use cli::{Catalogue, Language};
/// let catalogue = Catalogue::load(Language::Korean);
/// assert!(catalogue.get("AL-RUN-001").is_some());
/// ```
#[derive(Debug, Clone)]
pub struct Catalogue {
    language: Language,
    messages: BTreeMap<String, Message>,
}

impl Catalogue {
    /// The messages of `language`; the exit codes always come from the English files.
    pub fn load(language: Language) -> Self {
        let mut messages = BTreeMap::new();
        for chapter in CHAPTERS {
            let english = parse(chapter.text(Language::English)).unwrap_or_default();
            for (id, mut message) in parse(chapter.text(language)).unwrap_or_default() {
                message.exit = english.get(&id).and_then(|m| m.exit);
                messages.insert(id, message);
            }
        }
        Self { language, messages }
    }

    /// The language of the sentences.
    pub fn language(&self) -> Language {
        self.language
    }

    /// The message of one id.
    pub fn get(&self, id: &str) -> Option<&Message> {
        self.messages.get(id)
    }

    /// Every id with its message, in order of the ids.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Message)> {
        self.messages.iter().map(|(id, message)| (id.as_str(), message))
    }
}

/// A file of messages: one table per id. That every embedded file parses is tested.
pub(crate) fn parse(text: &str) -> Result<BTreeMap<String, Message>, toml::de::Error> {
    toml::from_str(text)
}

/// Puts arguments in the place of their names in braces. A name that is no argument stays as it is.
pub(crate) fn fill(text: &str, args: &[(&str, String)]) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(open) = rest.find('{') {
        out.push_str(&rest[..open]);
        rest = &rest[open..];
        let close = rest.find('}').map(|end| (&rest[1..end], end));
        let value = close.and_then(|(name, end)| Some((args.iter().find(|(n, _)| *n == name)?.1.as_str(), end)));
        match value {
            Some((value, end)) => {
                out.push_str(value);
                rest = &rest[end + 1..];
            }
            None => {
                out.push('{');
                rest = &rest[1..];
            }
        }
    }
    out + rest
}

#[cfg(test)]
mod tests;
