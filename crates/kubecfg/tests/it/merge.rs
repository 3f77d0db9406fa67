use kubecfg::{Change, KubecfgError, Kubeconfig, merge_into, remove_from, remove_ours};
use proptest::prelude::*;

fn ours() -> Kubeconfig {
    Kubeconfig::admin("demo", "https://192.168.6.10:6443", "CA", "CERT", &"KEY".into())
}

const KUBECTL: &str = "apiVersion: v1\nclusters:\n- cluster:\n    server: https://a\n  name: work\ncontexts:\n- context:\n    \
                       cluster: work\n    user: me\n  name: work\ncurrent-context: work\nkind: Config\npreferences: {}\nusers:\n- name: me\n  \
                       user:\n    token: t\n";

const BY_HAND: &str = "# my clusters\n---\nkind: Config   # yes\napiVersion: v1\n\nclusters:  # two of them\n    - name: \"work\"\n      \
                       cluster: {server: 'https://a'}   # flow inside is fine\n    # the old one\n\n    - cluster:\n        server: https://b\n      \
                       name: old\n    # end of clusters\nusers: []\ncontexts: null";

fn round_trip(text: &str) {
    let (merged, report) = merge_into(text, &ours()).unwrap();
    assert_eq!(report.change, Change::Added);
    let (again, report) = merge_into(&merged, &ours()).unwrap();
    assert_eq!((again.as_str(), report.change), (merged.as_str(), Change::Unchanged));
    assert_eq!(remove_from(&merged, "demo").unwrap(), text);
}

#[test]
fn files_in_many_styles_come_back_byte_for_byte() {
    for text in [
        KUBECTL,
        BY_HAND,
        &KUBECTL.replace('\n', "\r\n"),
        KUBECTL.trim_end(),
        &KUBECTL.replace("current-context: work\n", ""),
        &KUBECTL.replace("current-context: work\n", "current-context: \"\"  # none\n"),
        "apiVersion: v1\nkind: Config\n",
        "apiVersion: v1\nkind: Config",
        "kind: Config\nclusters:\nusers:\ncontexts:\n",
        "kind: Config\nclusters: [ ] \n",
        "# only a comment\n",
    ] {
        if text.contains("[ ]") {
            assert!(matches!(merge_into(text, &ours()), Err(KubecfgError::Layout { line: 2, .. })));
            continue;
        }
        round_trip(text);
    }
}

#[test]
fn somebody_elses_current_context_stays_and_an_empty_one_becomes_ours() {
    assert!(!merge_into(KUBECTL, &ours()).unwrap().1.is_current);
    let (merged, report) = merge_into(&KUBECTL.replace("current-context: work\n", ""), &ours()).unwrap();
    assert!(report.is_current);
    assert_eq!(Kubeconfig::parse(&merged).unwrap().server(), "https://192.168.6.10:6443");
}

#[test]
fn new_certificates_replace_the_old_ones_in_their_place() {
    let (merged, _) = merge_into(BY_HAND, &ours()).unwrap();
    let renewed = ours().with_server("https://127.0.0.1:40123");
    let (updated, report) = merge_into(&merged, &renewed).unwrap();
    assert_eq!(report.change, Change::Updated);
    assert_eq!(updated, merged.replace("https://192.168.6.10:6443", "https://127.0.0.1:40123"));
    assert_eq!(remove_from(&updated, "demo").unwrap(), BY_HAND);
}

#[test]
fn a_foreign_entry_of_our_name_is_not_overwritten() {
    let text = KUBECTL.replace("name: work", "name: demo");
    let Err(KubecfgError::Taken { conflicts, .. }) = merge_into(&text, &ours()) else { panic!("not refused") };
    let told: Vec<String> = conflicts.iter().map(ToString::to_string).collect();
    assert_eq!(told, ["clusters -> https://a", "contexts -> work"], "all of them at once");
    assert_eq!(remove_ours(&text, &ours()).unwrap(), text, "a lab that goes away leaves them");
    let (merged, _) = merge_into(KUBECTL, &ours()).unwrap();
    assert_eq!(remove_ours(&merged, &ours()).unwrap(), KUBECTL);
}

#[test]
fn a_namespace_chosen_for_ours_is_kept_and_a_second_entry_of_our_name_is_not_guessed_at() {
    let (merged, _) = merge_into("kind: Config\n", &ours()).unwrap();
    let chosen = merged.replace("    user: demo\n", "    user: demo\n    namespace: shop\n");
    let (again, report) = merge_into(&chosen, &ours().with_server("https://127.0.0.1:1")).unwrap();
    assert!(again.contains("namespace: shop") && report.change == Change::Updated, "{again}");
    let twice = merged.replacen("- name: demo", "- name: demo\n  cluster: {server: https://x}\n- name: demo", 1);
    assert!(matches!(merge_into(&twice, &ours()), Err(KubecfgError::Taken { .. })), "{twice}");
}

#[test]
fn a_cluster_without_verification_is_ours_by_its_user_and_says_so() {
    let ours = ours().insecure();
    let (merged, _) = merge_into(KUBECTL, &ours).unwrap();
    assert!(merged.contains("insecure-skip-tls-verify: true") && !merged.contains("certificate-authority-data"));
    let rewritten = merged.replace(" # airlab\n", "\n");
    assert_eq!(merge_into(&rewritten, &ours).unwrap().1.change, Change::Unchanged);
    assert!(Kubeconfig::select(&merged, Some("demo")).unwrap().is_insecure());
}

#[test]
fn what_cannot_be_edited_as_text_is_refused() {
    let flow = "kind: Config\nclusters: [{name: a, cluster: {server: b}}]\n";
    assert!(matches!(merge_into(flow, &ours()), Err(KubecfgError::Layout { line: 2, .. })));
    let quoted = "kind: Config\n\"clusters\":\n- name: a\n";
    assert!(matches!(merge_into(quoted, &ours()), Err(KubecfgError::Layout { .. })));
    assert!(matches!(merge_into("- a\n", &ours()), Err(KubecfgError::NotAKubeconfig { .. })));
    let secret = merge_into("token: [canary\n", &ours()).unwrap_err();
    assert!(!format!("{secret} {secret:?}").contains("canary"));
}

#[test]
fn a_file_that_kubectl_rewrote_is_still_ours_and_loses_only_us() {
    let (merged, _) = merge_into(KUBECTL, &ours()).unwrap();
    let value: serde_json::Value = serde_saphyr::from_str(&merged).unwrap();
    let rewritten = serde_saphyr::to_string(&value).unwrap();
    assert_eq!(merge_into(&rewritten, &ours()).unwrap().1.change, Change::Unchanged);
    let left: serde_json::Value = serde_saphyr::from_str(&remove_from(&rewritten, "demo").unwrap()).unwrap();
    assert_eq!(left, serde_saphyr::from_str::<serde_json::Value>(KUBECTL).unwrap());
}

fn item() -> impl Strategy<Value = String> {
    ("[a-c]{1,3}", 0..4_u8, any::<bool>()).prop_map(|(name, style, comment)| {
        let note = if comment { "  # a note\n\n" } else { "" };
        match style {
            0 => format!("- name: {name}\n  cluster:\n    server: https://x\n{note}"),
            1 => format!("- cluster: {{server: 'https://x'}}\n  name: \"{name}\"\n{note}"),
            2 => format!(
                "-   name: {name}\n    cluster:\n        x: |\n            - demo\n            # no comment\n{note}"
            ),
            _ => format!("- {{name: {name}}}\n{note}"),
        }
    })
}

fn list() -> impl Strategy<Value = String> {
    (prop::collection::vec(item(), 0..4), 0..3_usize, 0..3_u8).prop_map(|(items, indent, empty)| {
        if items.is_empty() {
            return ["", " []", " null"][usize::from(empty)].to_owned() + "\n";
        }
        let pad = " ".repeat(indent);
        let lines: String =
            items.concat().lines().map(|l| if l.is_empty() { "\n".into() } else { format!("{pad}{l}\n") }).collect();
        format!("\n{lines}")
    })
}

proptest! {
    #[test]
    fn any_block_file_comes_back(
        lists in prop::collection::vec(list(), 3), have in prop::collection::vec(any::<bool>(), 3),
        current in prop::option::of("(\"\"|work)"), crlf in any::<bool>(), cut in any::<bool>(),
    ) {
        let mut text = "apiVersion: v1\n# c\n".to_owned();
        for ((key, list), have) in ["clusters", "users", "contexts"].iter().zip(&lists).zip(&have) {
            if *have { text.push_str(&format!("{key}:{list}")); }
        }
        if let Some(current) = current { text.push_str(&format!("current-context: {current}\n")); }
        if crlf { text = text.replace('\n', "\r\n"); }
        if cut { text.truncate(text.trim_end().len()); }
        let (merged, _) = merge_into(&text, &ours()).unwrap();
        prop_assert_eq!(merge_into(&merged, &ours()).unwrap().0, merged.clone());
        prop_assert_eq!(remove_from(&merged, "demo").unwrap(), text);
    }

    #[test]
    fn no_text_makes_it_panic_or_lose_what_is_foreign(text in "[ a-z:#\\-\\[\\]{}\"'\n]{0,80}") {
        if let Ok((merged, _)) = merge_into(&text, &ours()) {
            let _ = remove_from(&merged, "demo");
        }
    }
}
