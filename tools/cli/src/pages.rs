//! Pages of docs/ that are made from the catalogue. `cargo xtask docs` writes them; the test fails on an old one.

use crate::catalogue::Catalogue;
use crate::language::Language;

/// Every error and what to do, as Markdown.
fn troubleshooting(language: Language) -> String {
    let [title, intro, why, fix, code] = match language {
        Language::English => [
            "Troubleshooting",
            "Every error has an id. What it is about stands here; words in braces are filled in by the run.",
            "Why",
            "What to do",
            "Exit code",
        ],
        Language::Korean => [
            "문제 해결",
            "모든 오류에는 번호가 있습니다. 중괄호 안의 낱말은 실행할 때 채워집니다.",
            "이유",
            "해결 방법",
            "종료 코드",
        ],
    };
    let mut page = format!("<!-- written by `cargo xtask docs` -->\n# {title}\n\n{intro}\n");
    for (id, message) in Catalogue::load(language).iter() {
        let exit = message.exit.unwrap_or(crate::exit::FAILED);
        page += &format!("\n## {id}\n\n{}\n\n- {why}: {}\n", message.what, message.why);
        if let Some(advice) = &message.advice {
            page += &format!("- {fix}: {advice}\n");
        }
        page += &format!("- {code}: {exit}\n");
        if let Some(command) = &message.fix {
            page += &format!("\n{fix}:\n\n```console\n{command}\n```\n");
        }
    }
    page
}

#[test]
fn the_pages_of_errors_are_up_to_date() {
    let docs = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
    for (name, language) in [("troubleshooting.md", Language::English), ("troubleshooting.ko.md", Language::Korean)] {
        let page = troubleshooting(language);
        if std::env::var_os("AIRLAB_WRITE_PAGES").is_some() {
            std::fs::write(docs.join(name), &page).unwrap();
        }
        let kept = std::fs::read_to_string(docs.join(name)).unwrap_or_default();
        assert!(kept == page, "docs/{name} is out of date: cargo xtask docs");
    }
}
