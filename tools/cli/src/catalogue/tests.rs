use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::*;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The `{name}`s of a message.
fn names(message: &Message) -> BTreeSet<String> {
    let parts = [Some(&message.what), Some(&message.why), message.fix.as_ref(), message.advice.as_ref()];
    let text = parts.into_iter().flatten().cloned().collect::<Vec<_>>().join("\n");
    let inside = text.split('{').skip(1).filter_map(|s| s.split_once('}')).map(|(name, _)| name);
    let word = |s: &&str| !s.is_empty() && s.chars().all(|c| c.is_ascii_lowercase() || c == '_');
    inside.filter(word).map(str::to_owned).collect()
}

/// The arguments of a message, all empty.
fn nothing(message: &Message) -> Vec<(&'static str, String)> {
    names(message).into_iter().map(|name| (&*name.leak(), String::new())).collect()
}

fn sources(dir: &Path, out: &mut String) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            sources(&path, out);
        } else if path.extension().is_some_and(|e| e == "rs") {
            out.push_str(&fs::read_to_string(path).unwrap());
        }
    }
}

/// Every shortcoming of one chapter, in words.
fn faults(chapter: &Chapter) -> Vec<String> {
    let mut faults = Vec::new();
    let name = chapter.name;
    let mut code = String::new();
    let dir = if name == "cli" { root().join("tools/cli/src") } else { root().join("crates").join(name).join("src") };
    sources(&dir, &mut code);
    let [en, ko] = [Language::English, Language::Korean].map(|l| parse(chapter.text(l)).map_err(|e| e.to_string()));
    let (en, ko) = match (en, ko) {
        (Ok(en), Ok(ko)) => (en, ko),
        (en, ko) => return [en.err(), ko.err()].into_iter().flatten().map(|e| format!("{name}: {e}")).collect(),
    };
    for (tongue, messages) in [("en", &en), ("ko", &ko)] {
        for id in chapter.problems.iter().filter(|id| !messages.contains_key(**id)) {
            faults.push(format!("{name}/{tongue}: no message for {id}"));
        }
        for (id, message) in messages {
            let at = format!("{name}/{tongue}: {id}");
            if !chapter.problems.contains(&id.as_str()) {
                faults.push(format!("{at} is an id that no error has"));
            }
            if message.exit.is_some() != (tongue == "en") {
                faults.push(format!("{at}: the exit code stands in the English file, and only there"));
            }
            if message.fix.is_some() == message.advice.is_some() {
                faults.push(format!("{at}: needs `fix` (a command) or `advice` (prose), not both"));
            }
            if message.what.is_empty() || message.why.is_empty() || message.what.contains('\n') {
                faults.push(format!("{at}: `what` is one line, `why` is not empty"));
            }
            for arg in names(message).iter().filter(|a| !code.contains(&format!("\"{a}\""))) {
                faults.push(format!("{at}: {{{arg}}} is no argument of this crate's errors"));
            }
        }
    }
    for (id, message) in &en {
        let other = ko.get(id).cloned().unwrap_or_default();
        if message.fix.is_some() && message.fix != other.fix {
            faults.push(format!("{name}: {id}: the command differs between the languages"));
        }
        if other.what == message.what && fill(&message.what, &nothing(message)).chars().any(char::is_alphabetic) {
            faults.push(format!("{name}: {id} is not translated"));
        }
        if !matches!(message.exit, Some(1..=3 | 10..=89 | 90)) {
            faults.push(format!("{name}: {id}: exit code {:?} is outside the documented ranges", message.exit));
        }
    }
    faults
}

#[test]
fn every_id_has_its_message_in_every_language_and_no_message_is_stale() {
    let faults: Vec<String> = CHAPTERS.iter().flat_map(faults).collect();
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[test]
fn the_test_above_finds_faults() {
    let en = "[AL-X-1]\nexit = 4\nwhat = \"no {nowhere_in_code}\"\nwhy = \"w\"\nfix = \"a\"\n[AL-X-2]\nwhat=\"x\"\nwhy=\"y\"\n";
    let ko = "[AL-X-1]\nwhat = \"no {nowhere_in_code}\"\nwhy = \"w\"\nfix = \"b\"\n";
    let found = faults(&Chapter { name: "steps", problems: &["AL-X-1", "AL-X-3"], en, ko }).join("\n");
    let missing = ["no message for AL-X-3", "no error has", "only there", "`advice`", "no argument", "differs"];
    for part in missing.iter().chain(&["not translated", "outside the documented"]) {
        assert!(found.contains(part), "{part} not in\n{found}");
    }
}

#[test]
fn no_id_is_used_twice() {
    let mut seen = BTreeSet::new();
    for id in CHAPTERS.iter().flat_map(|c| c.problems) {
        assert!(seen.insert(id), "{id} belongs to two errors");
    }
}

#[test]
fn every_crate_with_problems_has_a_chapter() {
    for entry in fs::read_dir(root().join("crates")).unwrap().flatten() {
        let name = entry.file_name().into_string().unwrap();
        let text = fs::read_to_string(entry.path().join("src/lib.rs")).unwrap_or_default();
        let has = text.contains("PROBLEMS");
        assert!(!has || CHAPTERS.iter().any(|c| c.name == name), "add a line for {name} to CHAPTERS");
    }
}

#[test]
fn arguments_are_filled_in_and_shell_braces_are_kept() {
    let args = [("port", "5000".to_owned())];
    assert_eq!(fill("ss ':{port}' | awk '{print $1}' {x", &args), "ss ':5000' | awk '{print $1}' {x");
}
