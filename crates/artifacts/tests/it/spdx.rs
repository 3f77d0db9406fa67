//! Bills of materials: the form that SPDX 2.3 asks for, and those of our own programs.

use std::collections::BTreeSet;
use std::time::Duration;

use artifacts::spdx::{BillError, Built, program, unlisted};
use machine::{Cmd, Local};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

const LOCK: &str = include_str!("../../../../Cargo.lock");
const TOOL: &str = "airlab";

/// Looks at what SPDX 2.3 requires of a document, a package and a relationship; gives every SHA-256 in it.
pub(crate) fn checked(document: &[u8]) -> BTreeSet<String> {
    let sbom: Value = serde_json::from_slice(document).unwrap();
    assert_eq!((&sbom["spdxVersion"], &sbom["dataLicense"]), (&json!("SPDX-2.3"), &json!("CC0-1.0")));
    assert_eq!(sbom["SPDXID"], "SPDXRef-DOCUMENT");
    let namespace = sbom["documentNamespace"].as_str().unwrap();
    assert!(namespace.starts_with("https://") && !namespace.contains('#'));
    assert_eq!(sbom["creationInfo"]["created"], "1970-01-01T00:00:00Z");
    assert!(sbom["creationInfo"]["creators"][0].as_str().unwrap().starts_with("Tool: "));
    let mut ids = BTreeSet::from(["SPDXRef-DOCUMENT"]);
    let mut digests = BTreeSet::new();
    for package in sbom["packages"].as_array().unwrap() {
        let id = package["SPDXID"].as_str().unwrap();
        let own = id.strip_prefix("SPDXRef-").unwrap();
        assert!(own.chars().all(|c| c.is_ascii_alphanumeric() || ".-".contains(c)), "{id}");
        assert!(ids.insert(id), "{id} is there twice");
        assert!(package["name"].is_string() && package["downloadLocation"].is_string());
        for sum in package["checksums"].as_array().into_iter().flatten() {
            assert_eq!(sum["algorithm"], "SHA256");
            let value = sum["checksumValue"].as_str().unwrap();
            assert!(value.len() == 64 && value.bytes().all(|b| b.is_ascii_hexdigit()), "{value}");
            digests.insert(value.to_owned());
        }
        for other in package["externalRefs"].as_array().into_iter().flatten() {
            assert_eq!(
                (&other["referenceCategory"], &other["referenceType"]),
                (&json!("PACKAGE-MANAGER"), &json!("purl"))
            );
            assert!(other["referenceLocator"].as_str().unwrap().starts_with("pkg:cargo/"), "{other}");
        }
    }
    let kinds = ["DESCRIBES", "CONTAINS", "DEPENDS_ON", "BUILD_DEPENDENCY_OF"];
    for relation in sbom["relationships"].as_array().unwrap() {
        for end in ["spdxElementId", "relatedSpdxElement"] {
            assert!(ids.contains(relation[end].as_str().unwrap()), "{relation}");
        }
        assert!(kinds.contains(&relation["relationshipType"].as_str().unwrap()), "{relation}");
    }
    digests
}

fn cargo(words: &[&str]) -> Vec<u8> {
    let cmd = Cmd::new(std::env::var("CARGO").unwrap_or_else(|_| "cargo".into())).args(words.iter().copied());
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
    Local.run_ok(&cmd.dir(root).timeout(Duration::from_secs(300))).unwrap().stdout
}

fn host() -> String {
    let said = Local.run_ok(&Cmd::new("rustc").arg("-vV").timeout(Duration::from_secs(60))).unwrap().text();
    said.lines().find_map(|line| line.strip_prefix("host: ")).unwrap().to_owned()
}

fn metadata() -> Vec<u8> {
    cargo(&["metadata", "--locked", "--format-version", "1", "--filter-platform", &host()])
}

/// The crates of a bill, with version, licence and checksum, and how each belongs to the program.
fn listed(bill: &[u8]) -> Vec<(String, Value, Vec<String>)> {
    let bill: Value = serde_json::from_slice(bill).unwrap();
    let relations = bill["relationships"].as_array().unwrap().clone();
    let kinds = |id: &Value| -> Vec<String> {
        let own = relations.iter().filter(|r| {
            (r["spdxElementId"] == "SPDXRef-program" && r["relatedSpdxElement"] == *id)
                || (r["relatedSpdxElement"] == "SPDXRef-program" && r["spdxElementId"] == *id)
        });
        own.map(|r| r["relationshipType"].as_str().unwrap().to_owned()).collect()
    };
    // the program has the name of one of its crates
    let packages = bill["packages"].as_array().unwrap().iter().filter(|p| p["SPDXID"] != "SPDXRef-program");
    let named = |p: &Value| format!("{} v{}", p["name"].as_str().unwrap(), p["versionInfo"].as_str().unwrap());
    packages.map(|p| (named(p), p.clone(), kinds(&p["SPDXID"]))).collect()
}

/// What cargo's own tree says that is compiled into the program: `NAME vVERSION`, macros left out.
fn tree() -> BTreeSet<String> {
    let words = ["tree", "--locked", "--edges", "normal,no-proc-macro", "--prefix", "none", "--format", "{p}"];
    let tree = cargo(&[&words[..], &["--package", "airlab-cli", "--target", &host()]].concat());
    let tree = String::from_utf8(tree).unwrap();
    let name = |line: &str| line.split(' ').take(2).collect::<Vec<_>>().join(" ");
    tree.lines().map(name).filter(|line| !line.is_empty()).collect()
}

#[test]
fn s6_the_bill_of_a_program_names_every_crate_in_it_with_licence_and_checksum() {
    let metadata = metadata();
    let built = Built { name: TOOL, bytes: b"program", rust: "1.95.0" };
    let bill = program(&metadata, LOCK, &built).unwrap();
    assert_eq!(program(&metadata, LOCK, &built).unwrap(), bill, "the same gives the same bytes");
    let digests = checked(&bill);
    let sha256: String = hex::encode(Sha256::digest(b"program"));
    assert!(digests.contains(&sha256), "the program's own digest");

    let lock: toml::Table = LOCK.parse().unwrap();
    let locked = lock["package"].as_array().unwrap();
    let all = listed(&bill);
    let inside = tree();
    assert!(inside.len() > 150 && inside.iter().any(|name| name.starts_with("ring v")), "{}", inside.len());
    for name in &inside {
        let (_, package, kinds) = all.iter().find(|(n, ..)| n == name).unwrap_or_else(|| panic!("{name} is missing"));
        assert_eq!(kinds, &["CONTAINS"], "{name}");
        let license = package["licenseDeclared"].as_str().unwrap();
        assert!(license != "NOASSERTION" && !license.contains('/'), "{name}: {license}");
        let (name, version) = name.split_once(" v").unwrap();
        let of_lock = |p: &&toml::Value| p["name"].as_str() == Some(name) && p["version"].as_str() == Some(version);
        let of_lock = locked.iter().find(of_lock).unwrap_or_else(|| panic!("{name} is not in Cargo.lock"));
        let checksum = of_lock.get("checksum").and_then(toml::Value::as_str);
        assert_eq!(package["checksums"][0]["checksumValue"].as_str(), checksum, "{name}");
    }
    // what only a test or another program needs is not in it
    for (other, why) in [("proptest", "tests"), ("xtask", "another program"), ("testkit", "tests")] {
        assert!(all.iter().all(|(name, ..)| !name.starts_with(&format!("{other} v"))), "{other} is of {why}");
    }
    let kind = |name: &str| all.iter().find(|(n, ..)| n.starts_with(name)).map(|(_, _, kinds)| kinds.clone());
    assert_eq!(kind("serde_derive v").unwrap(), ["BUILD_DEPENDENCY_OF"], "a macro helps to build");
    assert_eq!(kind("rust-std v1.95.0").unwrap(), ["CONTAINS"]);
}

/// One crate less in what cargo says, one checksum less in the lock, a licence less: each is noticed.
#[test]
fn s6_a_crate_that_is_left_out_of_a_bill_is_named() {
    let metadata = metadata();
    let built = Built { name: TOOL, bytes: b"", rust: "1.95.0" };
    let bill = program(&metadata, LOCK, &built).unwrap();
    let ring = listed(&bill).into_iter().find(|(name, ..)| name.starts_with("ring v")).unwrap().0.replace(" v", "-");
    let bytes = format!("\0/somewhere/registry/src/index/{ring}/src/aead.rs\0");
    assert!(unlisted(bytes.as_bytes(), &bill).is_empty());
    let without = String::from_utf8(bill).unwrap().replace("\"name\": \"ring\"", "\"name\": \"rung\"");
    assert_eq!(unlisted(bytes.as_bytes(), without.as_bytes()), BTreeSet::from([ring]));

    let (name, sum) = LOCK.split_once("name = \"ring\"").and_then(|(_, rest)| rest.split_once("checksum = ")).unwrap();
    assert!(name.contains("version"));
    let sum = sum.lines().next().unwrap();
    let error = program(&metadata, &LOCK.replace(&format!("checksum = {sum}\n"), ""), &built).unwrap_err();
    assert!(matches!(&error, BillError::Incomplete { name, what: "checksum", .. } if name == "ring"), "{error}");
    let mut changed: Value = serde_json::from_slice(&metadata).unwrap();
    let ring = changed["packages"].as_array_mut().unwrap().iter_mut().find(|p| p["name"] == "ring").unwrap();
    ring["license"] = Value::Null;
    let error = program(changed.to_string().as_bytes(), LOCK, &built).unwrap_err();
    assert_eq!(error.to_string().split(" has no ").last(), Some("licence"));
    let none = program(&metadata, LOCK, &Built { name: "nothing", ..built }).unwrap_err();
    assert!(matches!(none, BillError::NoProgram(_)));
}
