//! Streams and manifests that no honest program writes (S7).

use std::fs;

use artifacts::bundle::{Bundle, Trust};
use proptest::prelude::*;
use serde_json::{Value, json};
use steps::Problem;

use super::{Made, all};

/// A tar entry that no bundle has.
fn hostile(kind: tar::EntryType, name: &str, link: &str) -> [u8; 512] {
    let mut header = tar::Header::new_gnu();
    header.as_gnu_mut().unwrap().name[..name.len()].copy_from_slice(name.as_bytes());
    header.as_gnu_mut().unwrap().linkname[..link.len()].copy_from_slice(link.as_bytes());
    header.set_entry_type(kind);
    header.set_size(0);
    header.set_cksum();
    *header.as_bytes()
}

#[test]
fn s7_hostile_streams_are_refused_whoever_signed_them() {
    use tar::EntryType::{Block, Char, Fifo, Link, Regular, Symlink};
    let made = Made::new();
    let (stream, manifest) = (made.stream(), made.manifest());
    let cases = [
        (Regular, "../../etc/passwd", ""),
        (Regular, "/etc/passwd", ""),
        (Regular, "OCI-LAYOUT", ""),
        (Symlink, "oci-layout", "/etc/passwd"),
        (Link, "oci-layout", "../outside"),
        (Char, "oci-layout", ""),
        (Block, "oci-layout", ""),
        (Fifo, "oci-layout", ""),
    ];
    for (kind, name, link) in cases {
        let mut forged = stream.clone();
        forged[..512].copy_from_slice(&hostile(kind, name, link));
        made.forge(&forged, &mut manifest.clone());
        let found = all(&made.verify_unsigned().unwrap_err());
        assert!(found.iter().any(|(id, why)| *id == "AL-BND-005" && why.contains("header")), "{name}: {found:?}");
    }
    // one more entry behind the last, where the zeros should be
    let mut forged = stream.clone();
    let end = forged.len() - 1024;
    forged[end..end + 512].copy_from_slice(&hostile(Regular, "more", ""));
    made.forge(&forged, &mut manifest.clone());
    assert!(all(&made.verify_unsigned().unwrap_err())[0].1.contains("do not belong there"));
    // and an honest one, so that the above did not fail for another reason
    made.forge(&stream, &mut manifest.clone());
    made.verify_unsigned().unwrap();
}

#[test]
fn s7_hostile_manifests_are_refused() {
    let made = Made::new();
    let good = made.manifest();
    let last = good["entries"].as_array().unwrap().len() - 1;
    type Change = Box<dyn Fn(&mut Value)>;
    let set = |pointer: &str, value: Value| -> Change {
        let pointer = pointer.to_owned();
        Box::new(move |m: &mut Value| *m.pointer_mut(&pointer).unwrap() = value.clone())
    };
    let entry = |key: &str, value: Value| set(&format!("/entries/{last}/{key}"), value);
    let upper = |m: &mut Value| {
        let path = m["entries"][4]["path"].as_str().unwrap().to_uppercase();
        m["entries"][4]["path"] = path.into();
    };
    let twice = |m: &mut Value| {
        let entries = m["entries"].as_array_mut().unwrap();
        entries.push(entries.last().unwrap().clone());
    };
    let cased = |m: &mut Value| {
        let files = m["files"].as_array_mut().unwrap();
        let mut other = files[0].clone();
        other["name"] = "K3S".into();
        files.push(other);
    };
    let cases: Vec<(Change, &str)> = vec![
        (entry("path", "../../etc/passwd".into()), "not where that blob belongs"),
        (entry("path", "/etc/passwd".into()), "not where that blob belongs"),
        (entry("path", "blobs/sha256/../../x".into()), "not where that blob belongs"),
        (entry("sha256", "A".repeat(64).into()), "no SHA-256"),
        (entry("size", u64::MAX.into()), ""),
        (entry("size", (1u64 << 60).into()), ""),
        (entry("size", (-1).into()), "invalid value"),
        (Box::new(upper), "not where that blob belongs"),
        (Box::new(twice), "there twice"),
        (Box::new(cased), "the case of their letters"),
        (set("/name", "../x".into()), "no name for a bundle"),
        (set("/name", "LAB".into()), "no name for a bundle"),
        (set("/parts/0/file", "/dev/sda".into()), "is not part 0"),
        (set("/parts/0/file", "../lab.airbundle.000".into()), "is not part 0"),
        (set("/parts/0/size", 0.into()), "is not part 0"),
        (set("/part_size", 0.into()), "parts of 0 bytes"),
        (set("/part_size", 1.into()), "parts of 1 bytes"),
        (set("/notes/0", "\u{1b}[2J".into()), "printable"),
        (set("/images/0/name", "a\nb".into()), "printable"),
        (set("/images/0/digest", format!("sha256:{}", "0".repeat(64)).into()), "lacks its own manifest"),
        (set("/images/0/blobs", json!([])), "lacks its own manifest"),
        (set("/files/0/sha256", "0".repeat(64).into()), "lacks its content"),
        (set("/files", json!([])), "belongs to nothing"),
        (set("/airbundle", 2.into()), "not known"),
        (set("/base", json!({"name": "../x", "manifest": "0"})), "no name for a bundle"),
        (set("/elsewhere", json!([{"path": "x", "size": 1, "sha256": "x"}])), "no SHA-256"),
        (Box::new(|m| m["more"] = 1.into()), "unknown field"),
    ];
    for (change, why) in cases {
        let mut bad = good.clone();
        change(&mut bad);
        fs::write(&made.created.manifest, bad.to_string()).unwrap();
        let error = Bundle::open(&made.created.manifest, &Trust::SkipSignature).unwrap_err();
        assert_eq!(error.id(), "AL-BND-001", "{error}");
        assert!(error.to_string().contains(why), "{error}, not {why}");
    }
    fs::write(&made.created.manifest, good.to_string()).unwrap();
    Bundle::open(&made.created.manifest, &Trust::SkipSignature).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// No byte of any part may be another one, whatever the manifest's sums for parts say.
    #[test]
    fn s7_any_other_byte_in_a_stream_is_refused(at in any::<prop::sample::Index>(), flip in 1u8..) {
        thread_local!(static MADE: (Made, Vec<u8>, Value) = {
            let made = Made::new();
            let (stream, manifest) = (made.stream(), made.manifest());
            (made, stream, manifest)
        });
        MADE.with(|(made, stream, manifest)| {
            let mut forged = stream.clone();
            let at = at.index(forged.len());
            forged[at] ^= flip;
            made.forge(&forged, &mut manifest.clone());
            let found = all(&made.verify_unsigned().unwrap_err());
            assert!(found.iter().all(|(id, _)| *id == "AL-BND-005") && found.len() == 1, "{at}: {found:?}");
        });
    }

    #[test]
    fn s7_any_bytes_are_a_manifest_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..512)) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.airbundle.json");
        fs::write(&path, bytes).unwrap();
        prop_assert!(Bundle::open(&path, &Trust::SkipSignature).is_err());
    }
}
