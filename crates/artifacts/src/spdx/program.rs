//! What one of our programs is made of: the crates that cargo compiled into it.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::{Document, Package};
use crate::artifact::sha256_hex;

/// A program that was built.
#[derive(Debug, Clone, Copy)]
pub struct Built<'a> {
    /// The program's name, `airlab`.
    pub name: &'a str,
    /// Its bytes.
    pub bytes: &'a [u8],
    /// The compiler's release, whose standard library is in it: `1.95.0`.
    pub rust: &'a str,
}

/// Why there is no bill.
#[derive(Debug, thiserror::Error)]
pub enum BillError {
    /// What cargo printed is not its metadata.
    #[error("cargo's metadata cannot be read: {0}")]
    Metadata(#[source] serde_json::Error),
    /// `Cargo.lock` cannot be read.
    #[error("Cargo.lock cannot be read: {0}")]
    Lock(#[source] toml::de::Error),
    /// No crate of the workspace has such a program.
    #[error("no crate of the workspace has a program {0}")]
    NoProgram(String),
    /// A crate whose licence or checksum is not known.
    #[error("the crate {name} {version} has no {what}")]
    Incomplete {
        /// The crate.
        name: String,
        /// Its version.
        version: String,
        /// `licence` or `checksum`.
        what: &'static str,
    },
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Crate>,
    resolve: Resolve,
}

#[derive(Deserialize)]
struct Crate {
    id: String,
    name: String,
    version: String,
    /// None for a crate of the workspace.
    source: Option<String>,
    license: Option<String>,
    targets: Vec<Target>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
    kind: Vec<String>,
}

#[derive(Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Deserialize)]
struct Node {
    id: String,
    deps: Vec<Arrow>,
}

#[derive(Deserialize)]
struct Arrow {
    pkg: String,
    dep_kinds: Vec<Kind>,
}

#[derive(Deserialize)]
struct Kind {
    kind: Option<String>,
}

#[derive(Deserialize)]
struct CargoLock {
    package: Vec<Locked>,
}

#[derive(Deserialize)]
struct Locked {
    name: String,
    version: String,
    checksum: Option<String>,
}

impl Crate {
    fn has_kind(&self, kind: &str) -> bool {
        self.targets.iter().any(|target| target.kind.iter().any(|k| k == kind))
    }

    fn has_program(&self, name: &str) -> bool {
        self.source.is_none() && self.targets.iter().any(|t| t.name == name && t.kind.iter().any(|k| k == "bin"))
    }

    fn spdx_id(&self) -> String {
        let plain = |c: char| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' };
        format!("crate-{}-{}", self.name, self.version).chars().map(plain).collect()
    }

    fn missing(&self, what: &'static str) -> BillError {
        BillError::Incomplete { name: self.name.clone(), version: self.version.clone(), what }
    }

    /// The licence as an expression: of old, cargo took `MIT/Apache-2.0`.
    fn expression(&self) -> Result<String, BillError> {
        let license =
            self.license.as_deref().filter(|l| !l.trim().is_empty()).ok_or_else(|| self.missing("licence"))?;
        Ok(license.split('/').map(str::trim).collect::<Vec<_>>().join(" OR "))
    }
}

/// The bill of a program: every crate compiled into it with its licence and the checksum that `Cargo.lock` has for it,
/// what only helped to build it (macros and build scripts) apart, and the standard library. `metadata` is what
/// `cargo metadata --locked --format-version 1 --filter-platform TRIPLE` prints, `lock` the text of `Cargo.lock`. The
/// crates are those of the whole workspace's features: of an optional crate that only another program asks for, the
/// bill names one more than is in this one, never one less.
///
/// # Errors
/// [`BillError`], also for a single crate whose licence or checksum is missing.
pub fn program(metadata: &[u8], lock: &str, built: &Built<'_>) -> Result<Vec<u8>, BillError> {
    let metadata: Metadata = serde_json::from_slice(metadata).map_err(BillError::Metadata)?;
    let lock: CargoLock = toml::from_str(lock).map_err(BillError::Lock)?;
    let crates: BTreeMap<&str, &Crate> = metadata.packages.iter().map(|c| (c.id.as_str(), c)).collect();
    let nodes: BTreeMap<&str, &Node> = metadata.resolve.nodes.iter().map(|n| (n.id.as_str(), n)).collect();
    let own = metadata.packages.iter().find(|c| c.has_program(built.name));
    let own = own.ok_or_else(|| BillError::NoProgram(built.name.to_owned()))?;
    let (inside, helping) = reached(&own.id, &crates, &nodes);

    let mut document = Document::new(built.name);
    let program = Package::new("program", built.name).version(&own.version).license(&own.expression()?);
    document.add(program.sha256(&sha256_hex(built.bytes)));
    document.relate("DOCUMENT", "DESCRIBES", "program");
    let standard = Package::new("rust-std", "rust-std").version(built.rust).license("MIT OR Apache-2.0");
    document.add(standard);
    document.relate("program", "CONTAINS", "rust-std");
    for id in inside.union(&helping) {
        let Some(one) = crates.get(id) else { continue };
        let mut package = Package::new(&one.spdx_id(), &one.name).version(&one.version).license(&one.expression()?);
        if one.source.is_some() {
            let locked = lock.package.iter().find(|l| l.name == one.name && l.version == one.version);
            let sha256 = locked.and_then(|l| l.checksum.as_deref()).ok_or_else(|| one.missing("checksum"))?;
            package = package.sha256(sha256).purl(&format!("pkg:cargo/{}@{}", one.name, one.version));
        }
        document.add(package);
        match inside.contains(id) {
            true => document.relate("program", "CONTAINS", &one.spdx_id()),
            false => document.relate(&one.spdx_id(), "BUILD_DEPENDENCY_OF", "program"),
        }
    }
    for id in inside.union(&helping) {
        let (Some(one), Some(node)) = (crates.get(id), nodes.get(id)) else { continue };
        let normal = |arrow: &&Arrow| arrow.dep_kinds.iter().any(|k| k.kind.is_none());
        for to in node.deps.iter().filter(normal).filter_map(|arrow| crates.get(arrow.pkg.as_str())) {
            document.relate(&one.spdx_id(), "DEPENDS_ON", &to.spdx_id());
        }
    }
    Ok(document.render("program"))
}

/// The crates whose code is in a program, and those that only helped to build it.
fn reached<'m>(
    own: &'m str,
    crates: &BTreeMap<&'m str, &'m Crate>,
    nodes: &BTreeMap<&'m str, &'m Node>,
) -> (BTreeSet<&'m str>, BTreeSet<&'m str>) {
    let (mut inside, mut helping) = (BTreeSet::new(), BTreeSet::new());
    let mut left = vec![(own, true)];
    while let Some((id, compiled_in)) = left.pop() {
        let compiled_in = compiled_in && !crates.get(id).is_some_and(|c| c.has_kind("proc-macro"));
        let new = if compiled_in { inside.insert(id) } else { helping.insert(id) };
        if !new {
            continue;
        }
        for arrow in nodes.get(id).into_iter().flat_map(|node| &node.deps) {
            for kind in &arrow.dep_kinds {
                match kind.kind.as_deref() {
                    None => left.push((&arrow.pkg, compiled_in)),
                    Some("build") => left.push((&arrow.pkg, false)),
                    Some(_) => {}
                }
            }
        }
    }
    helping.retain(|id| !inside.contains(id));
    (inside, helping)
}

/// The crates whose sources a program names, as `NAME-VERSION`, that are not in its bill. A program has the paths of
/// sources where code can panic: what is not in the bill but there was left out of it.
pub fn unlisted(program: &[u8], bill: &[u8]) -> BTreeSet<String> {
    #[derive(Deserialize)]
    struct Bill {
        packages: Vec<Listed>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Listed {
        name: String,
        version_info: Option<String>,
    }
    let bill = serde_json::from_slice::<Bill>(bill).map(|bill| bill.packages).unwrap_or_default();
    let listed: BTreeSet<String> =
        bill.iter().map(|p| format!("{}-{}", p.name, p.version_info.as_deref().unwrap_or_default())).collect();
    sources(program).into_iter().filter(|name| !listed.contains(name)).collect()
}

/// `NAME-VERSION` of every path `registry/src/INDEX/NAME-VERSION/` in some bytes.
fn sources(program: &[u8]) -> BTreeSet<String> {
    const BEFORE: &[u8] = b"registry/src/";
    let mut found = BTreeSet::new();
    let mut rest = program;
    while let Some(at) = rest.windows(BEFORE.len()).position(|window| window == BEFORE) {
        rest = &rest[at + BEFORE.len()..];
        let path = &rest[..rest.len().min(300)];
        let parts: Vec<&[u8]> = path.split(|b| *b == b'/' || *b == b'\\').take(3).collect();
        if let [_, name, _] = parts[..]
            && let Ok(name) = std::str::from_utf8(name)
            && name.contains('-')
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.+".contains(&b))
        {
            found.insert(name.to_owned());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_read_from_a_program() {
        let bytes = b"\0/x/registry/src/index-1/tokio-1.4.0/src/a.rs\0registry\\src\0registry/src/i/ring-0.17.14/b.rs";
        let found: Vec<String> = sources(bytes).into_iter().collect();
        assert_eq!(found, ["ring-0.17.14", "tokio-1.4.0"]);
        let bill = br#"{"packages": [{"name": "tokio", "versionInfo": "1.4.0"}, {"name": "x"}]}"#;
        assert_eq!(unlisted(bytes, bill).into_iter().collect::<Vec<_>>(), ["ring-0.17.14"]);
    }
}
