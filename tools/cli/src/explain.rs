//! A problem as text for a person or as JSON for a program.

use std::collections::BTreeMap;

use serde::Serialize;
use steps::Problem;

use crate::catalogue::{Catalogue, fill};
use crate::exit;
use crate::language::Language;

/// A problem explained in one language. Serialized, it is the JSON that tools print with `--output json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Explained {
    /// The problem's id, the same in every language.
    pub id: String,
    /// What happened.
    pub what: String,
    /// Why.
    pub why: String,
    /// What to do: a command to paste, or prose.
    pub fix: String,
    /// The chain of causes, nearest first, as technical texts.
    pub causes: Vec<String>,
    /// The problem's arguments.
    pub args: BTreeMap<String, String>,
    /// The exit code of a program that ends with it.
    pub exit: u8,
    /// Further problems found at the same time.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub also: Vec<Explained>,
    #[serde(skip)]
    is_command: bool,
    #[serde(skip)]
    language: Language,
}

/// Explains a problem. One that the catalogue does not know is told in its own technical words.
pub fn explain(catalogue: &Catalogue, problem: &dyn Problem) -> Explained {
    let args = problem.args();
    let message = catalogue.get(problem.id()).cloned().unwrap_or_default();
    let what = if message.what.is_empty() { problem.to_string() } else { fill(&message.what, &args) };
    let is_command = message.fix.is_some();
    let fix = message.fix.or(message.advice).unwrap_or_default();
    Explained {
        id: problem.id().to_owned(),
        why: fill(&message.why, &args),
        fix: fill(&fix, &args),
        causes: causes(problem, &what),
        args: args.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
        exit: message.exit.unwrap_or(exit::FAILED),
        also: problem.also().into_iter().map(|other| explain(catalogue, other)).collect(),
        what,
        is_command,
        language: catalogue.language(),
    }
}

/// The texts of the error's sources, without those that only say again what was just said.
fn causes(problem: &dyn Problem, what: &str) -> Vec<String> {
    let mut said = what.to_owned();
    let mut out = Vec::new();
    let mut next = problem.source();
    while let Some(error) = next {
        let text = error.to_string();
        if !said.contains(&text) {
            out.push(text.clone());
            said = text;
        }
        next = error.source();
    }
    out
}

impl Explained {
    /// Three parts: what happened with its causes, why, and what to do, a command on a line of its own.
    pub fn human(&self) -> String {
        self.text(match self.language {
            Language::English => "error",
            Language::Korean => "오류",
        })
    }

    /// The same for something that works and that a person should know.
    pub fn warning(&self) -> String {
        self.text(match self.language {
            Language::English => "warning",
            Language::Korean => "경고",
        })
    }

    fn text(&self, error: &str) -> String {
        let [cause, why, fix] = match self.language {
            Language::English => ["cause", "why", "what to do"],
            Language::Korean => ["원인", "이유", "해결 방법"],
        };
        let mut out = format!("{error} {}: {}\n", self.id, self.what);
        for text in &self.causes {
            out += &format!("  {cause}: {}\n", text.replace('\n', "\n    "));
        }
        if !self.why.is_empty() {
            out += &format!("{why}: {}\n", self.why);
        }
        if self.is_command {
            out += &format!("{fix}:\n  {}\n", self.fix);
        } else if !self.fix.is_empty() {
            out += &format!("{fix}: {}\n", self.fix);
        }
        for other in &self.also {
            out += &format!("\n{}", other.text(error));
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Failure;
    use std::io::{Error, ErrorKind};

    #[test]
    fn three_parts_with_the_cause_under_the_first() {
        let failure = Failure::system("writing the result", Error::new(ErrorKind::StorageFull, "disk full"));
        let text = explain(&Catalogue::load(Language::English), failure.problem()).human();
        assert_eq!(
            text.lines().take(2).collect::<Vec<_>>(),
            ["error AL-CLI-002: writing the result failed", "  cause: disk full"]
        );
        assert!(text.contains("\nwhy: ") && text.contains("\nwhat to do: "), "{text}");
    }

    #[test]
    fn a_command_stands_alone_on_its_line_in_both_languages() {
        let problem = crate::failure::Interrupted { command: "airlab provision --yes".into() };
        for language in [Language::English, Language::Korean] {
            let told = explain(&Catalogue::load(language), &problem);
            assert!(told.human().lines().any(|l| l == "  airlab provision --yes"), "{}", told.human());
            assert_eq!(told.exit, exit::INTERRUPTED);
        }
    }

    #[test]
    fn json_has_exactly_the_promised_keys() {
        let failure = Failure::not_yet("upgrade");
        let json = serde_json::to_value(explain(&Catalogue::load(Language::English), failure.problem())).unwrap();
        let keys: Vec<&String> = json.as_object().unwrap().keys().collect();
        assert_eq!(keys, ["args", "causes", "exit", "fix", "id", "what", "why"]);
        assert_eq!(json["args"]["verb"], "upgrade");
        assert_eq!(json["exit"], 2);
    }
}
