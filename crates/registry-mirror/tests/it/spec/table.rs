//! `docs/registry-spec.md` from the first lines of the tests beside this file.

const FILES: &[(&str, &str)] = &[
    ("pull", include_str!("pull.rs")),
    ("push", include_str!("push.rs")),
    ("chunks", include_str!("chunks.rs")),
    ("manifests", include_str!("manifests.rs")),
    ("tags", include_str!("tags.rs")),
    ("referrers", include_str!("referrers.rs")),
    ("manage", include_str!("manage.rs")),
    ("errors", include_str!("errors.rs")),
    ("life", include_str!("../life.rs")),
];

const HEAD: &str = "\
<!-- written by `cargo xtask docs` -->
# The registry and the specification

Every requirement that the OCI distribution specification 1.1 has for registries, and the test that holds it. The tests
are in `crates/registry-mirror/tests/it`; they talk to the registry over TLS, as clients do.

";
const DIFFERS: &str = "
## What docker-registry 2.8 does otherwise

Cases that the reference registry gets wrong, named as in our comparison of registries, and their tests.

";

fn page() -> String {
    let (mut required, mut differs, mut count) = (String::new(), String::new(), 0);
    for (file, source) in FILES {
        let mut open = Vec::new();
        for line in source.lines() {
            if let Some(text) = line.strip_prefix("/// ").filter(|text| text.contains(" | ")) {
                open.push(text.split(" | ").collect::<Vec<_>>());
            } else if let Some(name) = line.strip_prefix("async fn ").and_then(|rest| rest.split('(').next()) {
                for row in open.drain(..) {
                    let [level, section, text] = row[..] else { panic!("{file}: {row:?}") };
                    let row = format!("{section} | {text} | `{file}::{name}` |\n");
                    if level == "DIFFERS" {
                        differs += &format!("| {row}");
                    } else {
                        count += 1;
                        required += &format!("| {level} | {row}");
                    }
                }
            }
        }
        assert!(open.is_empty(), "{file}: lines that belong to no test");
    }
    let head = format!("{HEAD}{count} requirements.\n\n| | Section | Requirement | Test |\n|---|---|---|---|\n");
    format!("{head}{required}{DIFFERS}| Case | Here | Test |\n|---|---|---|\n{differs}")
}

#[test]
fn the_page_of_the_specification_is_up_to_date() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/registry-spec.md");
    if std::env::var_os("AIRLAB_WRITE_PAGES").is_some() {
        std::fs::write(path, page()).unwrap();
    }
    assert!(
        std::fs::read_to_string(path).unwrap_or_default() == page(),
        "docs/registry-spec.md is out of date: cargo xtask docs"
    );
}
