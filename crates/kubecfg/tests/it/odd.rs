//! Twenty odd kubeconfigs: what is not ours stays, byte for byte, and a second merge changes nothing. Where kubectl is
//! at hand, it says the same as our own reading.

use std::fs;
use std::path::Path;

use kubecfg::{Change, KubecfgError, Kubeconfig, merge_into, read, remove_from, save};
use machine::{Cmd, Local};
use serde_json::Value;

/// What becomes of a file.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Fate {
    /// Ours goes in, and out again without a trace.
    Merged,
    /// The same, but a list that was empty stays an empty list.
    MergedJson,
    /// An error with this id, and not a byte changed.
    Refused(&'static str),
}
use Fate::{Merged, MergedJson, Refused};

const WORK: &str = "apiVersion: v1\nkind: Config\nclusters:\n- cluster:\n    server: https://work:6443\n  name: work\ncontexts:\n- \
                    context:\n    cluster: work\n    user: me\n  name: work\ncurrent-context: work\npreferences: {}\nusers:\n- name: me\n  \
                    user:\n    token: t\n";

fn huge() -> String {
    let entries = |line: &dyn Fn(u32) -> String| (0..800).map(line).collect::<String>();
    format!(
        "apiVersion: v1\nkind: Config\nclusters:\n{}contexts:\n{}users:\n{}",
        entries(&|n| format!("- name: c{n}\n  cluster:\n    server: https://c{n}:6443\n")),
        entries(&|n| format!("- name: c{n}\n  context:\n    cluster: c{n}\n    user: u{n}\n")),
        entries(&|n| format!("- name: u{n}\n  user:\n    token: t{n}\n")),
    )
}

fn cases() -> Vec<(&'static str, String, Fate)> {
    let with = |from: &str, to: &str| {
        assert!(WORK.contains(from), "{from}");
        WORK.replace(from, to)
    };
    let exec = "    exec:\n      apiVersion: client.authentication.k8s.io/v1\n      command: aws\n      args: [eks, get-token]\n      \
                interactiveMode: IfAvailable\n      env:\n      - {name: AWS_PROFILE, value: \"#1\"}\n";
    let json = serde_json::to_string_pretty(&serde_saphyr::from_str::<Value>(WORK).unwrap()).unwrap();
    vec![
        ("foreign contexts", WORK.to_owned(), Merged),
        ("an exec plugin", with("    token: t\n", exec), Merged),
        (
            "comments everywhere",
            with("clusters:\n", "# mine\nclusters: # all\n  # first\n\n").replace("users:\n", "users:\n# me\n")
                + "# end\n",
            Merged,
        ),
        ("CRLF", WORK.replace('\n', "\r\n"), Merged),
        (
            "mixed line ends",
            with("kind: Config\n", "kind: Config\r\n").replace("work\ncontexts", "work\r\ncontexts"),
            Merged,
        ),
        (
            "foreign names twice",
            with("contexts:\n", "- cluster:\n    server: https://other\n  name: work\ncontexts:\n"),
            Merged,
        ),
        ("our name taken", WORK.replace("name: work", "name: demo"), Refused("AL-CFG-003")),
        ("read-only", WORK.to_owned(), Refused("AL-CFG-005")),
        ("a symlink", WORK.to_owned(), Merged),
        ("broken YAML", with("clusters:\n", "clusters: [\n"), Refused("AL-CFG-001")),
        ("a byte order mark", format!("\u{feff}{WORK}"), Merged),
        ("tabs for indentation", with("    server:", "\tserver:"), Refused("AL-CFG-001")),
        ("tabs before comments", with("kind: Config\n", "kind: Config\t# tab\n"), Merged),
        (
            "anchors, aliases and merge keys",
            with("clusters:\n- cluster:\n", "clusters: &all\n- cluster: &base\n    tls-server-name: a\n")
                .replace("contexts:\n", "- {name: two, cluster: {<<: *base, server: 'https://two'}}\ncontexts:\n"),
            Merged,
        ),
        ("JSON", json, Merged),
        (
            "JSON in one line, with empty lists",
            r#"{"kind":"Config","clusters":[],"users":null}"#.to_owned(),
            MergedJson,
        ),
        (
            "lists in flow style",
            with("users:\n- name: me\n  user:\n    token: t\n", "users: [{name: me, user: {token: t}}]\n"),
            Refused("AL-CFG-002"),
        ),
        ("empty", String::new(), Merged),
        (
            "a current context that is elsewhere",
            with("current-context: work", "current-context: in-another-file"),
            Merged,
        ),
        ("huge", huge(), Merged),
        ("names that are not ASCII", WORK.replace(": work", ": \"회사 클러스터: é\""), Merged),
        ("two documents", format!("{WORK}---\n{WORK}"), Refused("AL-CFG-001")),
        (
            "unknown keys",
            format!("extensions:\n- name: x\n  extension: {{a: [1, 2]}}\nmine: |\n  clusters:\n  - name: demo\n{WORK}"),
            Merged,
        ),
    ]
}

fn ours() -> Kubeconfig {
    Kubeconfig::admin("demo", "https://192.168.6.10:6443", "-----BEGIN CA", "-----BEGIN CERT", &"-----BEGIN KEY".into())
}

/// What the tool does with a file.
fn merge(path: &Path) -> Result<Change, KubecfgError> {
    let (text, report) = merge_into(&read(path)?, &ours())?;
    save(path, &text)?;
    Ok(report.change)
}

/// The file as kubectl reads it; `None` where there is no kubectl, or it takes no such file before us either.
fn kubectl(path: &Path) -> Option<Value> {
    let cmd = Cmd::new("kubectl").args(["config", "view", "--raw", "--output", "json", "--kubeconfig"]).arg(path);
    let out = match Local.run(&cmd) {
        Err(_) => return None,
        Ok(out) => out,
    };
    if out.error_text().contains("duplicate name \"work\"") {
        return None;
    }
    assert_eq!(out.code, 0, "kubectl does not read {}: {}", path.display(), out.error_text());
    Some(serde_json::from_slice(&out.stdout).unwrap())
}

fn without_ours(mut view: Value) -> Value {
    for section in ["clusters", "contexts", "users"] {
        let list = view[section].as_array().cloned().unwrap_or_default();
        view[section] = list.into_iter().filter(|item| item["name"] != "demo").collect();
    }
    if view["current-context"] == "demo" || view["current-context"].is_null() {
        view["current-context"] = "".into();
    }
    view
}

#[test]
fn foreign_content_is_unchanged_never_lost_and_a_second_merge_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let cases = cases();
    assert!(cases.len() >= 20);
    for (name, text, fate) in cases {
        let path = dir.path().join(name.replace(' ', "-"));
        let file = match name {
            "a symlink" => dir.path().join("real"),
            _ => path.clone(),
        };
        fs::write(&file, &text).unwrap();
        if name == "a symlink" {
            #[cfg(unix)]
            std::os::unix::fs::symlink(&file, &path).unwrap();
            #[cfg(not(unix))]
            continue;
        }
        let mut rights = fs::metadata(&file).unwrap().permissions();
        rights.set_readonly(name == "read-only");
        fs::set_permissions(&file, rights).unwrap();

        if let Refused(id) = fate {
            let error = merge(&path).unwrap_err();
            assert_eq!(steps::Problem::id(&error), id, "{name}: {error}");
            assert_eq!(fs::read_to_string(&path).unwrap(), text, "{name}");
            continue;
        }
        let before = kubectl(&path);
        assert_eq!(merge(&path).unwrap_or_else(|e| panic!("{name}: {e}")), Change::Added, "{name}");
        let merged = fs::read_to_string(&path).unwrap();
        for line in text.trim_start_matches('\u{feff}').lines().filter(|l| !text.starts_with('{') && l.contains(": ")) {
            assert!(merged.contains(line), "{name}: lost {line:?}");
        }
        if let (Some(before), Some(after)) = (before, kubectl(&path)) {
            assert_eq!(without_ours(after.clone()), without_ours(before), "{name}");
            let clusters = after["clusters"].as_array().unwrap();
            let demo = clusters.iter().find(|c| c["name"] == "demo").unwrap();
            assert_eq!(demo["cluster"]["server"], "https://192.168.6.10:6443", "{name}");
        }
        assert_eq!(merge(&path).unwrap(), Change::Unchanged, "{name}: a second time");
        assert_eq!(fs::read_to_string(&path).unwrap(), merged, "{name}: a second time");
        if !text.is_empty() {
            let backup = file.with_added_extension("airlab-backup");
            assert_eq!(fs::read_to_string(backup).unwrap(), text, "{name}: backup");
        }
        let left = remove_from(&merged, "demo").unwrap();
        match fate {
            MergedJson => {
                let lists = |text: &str| without_ours(serde_json::from_str(text).unwrap());
                assert_eq!(lists(&left), lists(&text).clone(), "{name}: taken out again");
            }
            _ => assert_eq!(left, text, "{name}: taken out again"),
        }
        assert!(path.is_symlink() == (name == "a symlink"), "{name}");
    }
}

#[test]
fn a_file_that_powershell_wrote_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("config");
    let wide: Vec<u8> = "\u{feff}kind: Config\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    fs::write(&path, wide).unwrap();
    assert!(read(&path).unwrap_err().to_string().contains("UTF-16"));
}
