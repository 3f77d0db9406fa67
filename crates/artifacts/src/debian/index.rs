//! A list of packages: a repository's `Packages`, or what dpkg has installed (`/var/lib/dpkg/status`).

use std::io::Read;

use flate2::read::MultiGzDecoder;
use lzma_rust2::XzReader;

use super::Version;
use super::relation::{self, Relation, is_architecture, is_name};
use crate::ArtifactError;

/// The largest list that is unpacked; Ubuntu's universe, the largest there is, has 80 MiB.
const LARGEST: u64 = 1 << 30;
/// Memory for unpacking xz, in KiB. `xz -9`, the most that mirrors use, needs 65 MiB.
const XZ_MEMORY: u32 = 96 << 10;

/// A package, as far as its needs and its file go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: Version,
    /// `all`, or what it runs on.
    pub architecture: String,
    /// Installed in a version that was not said.
    pub(crate) any_version: bool,
    pub(crate) multi_arch: bool,
    pub(crate) priority: u8,
    /// `Pre-Depends` and `Depends`, `Conflicts` and `Breaks`: read when they are looked at, of a hundred among thousands.
    pub(crate) needs: String,
    pub(crate) refuses: String,
    pub(crate) provides: Vec<Relation>,
    /// Its file; `None` for an installed one.
    pub file: Option<PackageFile>,
}

/// Where a package's file is in its repository, and what it must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackageFile {
    /// Path below the repository's address.
    pub path: String,
    /// Bytes.
    pub size: u64,
    /// SHA-256, 64 hexadecimal digits.
    pub sha256: String,
}

/// Reads a repository's list, plain or compressed with gzip or xz. Every package in it must name its file with size and
/// SHA-256.
///
/// ```
/// let text = "Package: jq\nVersion: 1.6-2\nArchitecture: amd64\nDepends: libjq1 (= 1.6-2)\n\
///     Filename: pool/main/j/jq/jq_1.6-2_amd64.deb\nSize: 52500\nSHA256: \
///     ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\n";
/// let packages = artifacts::debian::read_index("Packages", text.as_bytes(), "amd64")?;
/// assert_eq!(packages[0].version.to_string(), "1.6-2");
/// # Ok::<(), artifacts::ArtifactError>(())
/// ```
///
/// # Errors
/// [`ArtifactError::Index`], naming the line.
pub fn read_index(origin: &str, bytes: &[u8], architecture: &str) -> Result<Vec<Package>, ArtifactError> {
    let fail = |why: String| ArtifactError::Index { origin: origin.to_owned(), why };
    let mut text = Vec::new();
    let read = if bytes.starts_with(&[0x1f, 0x8b]) {
        MultiGzDecoder::new(bytes).take(LARGEST + 1).read_to_end(&mut text)
    } else if bytes.starts_with(b"\xfd7zXZ\0") {
        XzReader::new_mem_limit(bytes, true, XZ_MEMORY).take(LARGEST + 1).read_to_end(&mut text)
    } else {
        bytes.take(LARGEST + 1).read_to_end(&mut text)
    };
    read.map_err(|e| fail(e.to_string()))?;
    if text.len() as u64 > LARGEST {
        return Err(fail(format!("it is larger than {} MiB", LARGEST >> 20)));
    }
    let packages = stanzas(&text, architecture, |stanza| stanza.offered()).map_err(fail)?;
    if packages.is_empty() {
        return Err(fail("there is no package in it".into()));
    }
    Ok(packages)
}

/// Reads what is installed from dpkg's status file, or a list with one `NAME` or `NAME VERSION` a line, as
/// `dpkg-query -W` prints it. A package without a version satisfies every need for it.
///
/// # Errors
/// [`ArtifactError::Index`], naming the line.
pub fn read_installed(origin: &str, bytes: &[u8], architecture: &str) -> Result<Vec<Package>, ArtifactError> {
    let fail = |why: String| ArtifactError::Index { origin: origin.to_owned(), why };
    let text = String::from_utf8_lossy(bytes);
    if text.lines().any(|line| line.starts_with("Package:")) {
        return stanzas(bytes, architecture, |stanza| stanza.installed()).map_err(fail);
    }
    let lines = text.lines().enumerate().map(|(n, line)| (n, line.trim()));
    let lines = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    let read = |(n, line): (usize, &str)| {
        let mut words = line.split_whitespace();
        let name = words.next().unwrap_or_default().split(':').next().unwrap_or_default();
        let version = words.next();
        match (is_name(name), version.unwrap_or("0").parse(), words.next()) {
            (true, Ok(known), None) => {
                Ok(Package { any_version: version.is_none(), ..Package::bare(name, known, architecture) })
            }
            _ => Err(fail(format!("line {}: {line:?} is not NAME or NAME VERSION", n + 1))),
        }
    };
    lines.map(read).collect()
}

impl Package {
    fn bare(name: &str, version: Version, architecture: &str) -> Self {
        Self {
            name: name.to_owned(),
            version,
            architecture: architecture.to_owned(),
            any_version: false,
            multi_arch: true,
            priority: 0,
            needs: String::new(),
            refuses: String::new(),
            provides: Vec::new(),
            file: None,
        }
    }

    /// Whether it is what a relation asks for, under its own name or one it provides.
    pub(crate) fn is(&self, wanted: &Relation) -> bool {
        let fits = match wanted.qualifier.as_deref() {
            None | Some("native") => true,
            Some("any") => self.multi_arch,
            Some(other) => other == self.architecture,
        };
        let named = self.name == wanted.name && (self.any_version || wanted.allows(&self.version));
        fits && (named || self.provides(wanted))
    }

    /// Whether one of the names it provides is meant; one without a version only where none is asked for.
    pub(crate) fn provides(&self, wanted: &Relation) -> bool {
        self.provides.iter().filter(|p| p.name == wanted.name).any(|p| match &p.version {
            Some((_, version)) => wanted.allows(version),
            None => wanted.version.is_none(),
        })
    }
}

/// The fields of one package with the line it begins at.
struct Stanza<'a> {
    line: usize,
    fields: Vec<(&'a str, &'a str)>,
    architecture: &'a str,
}

/// Reads stanza after stanza: fields, continued on lines that begin with a blank, and empty lines between them.
fn stanzas(
    bytes: &[u8],
    architecture: &str,
    read: impl Fn(&Stanza<'_>) -> Result<Option<Package>, String>,
) -> Result<Vec<Package>, String> {
    let text = String::from_utf8_lossy(bytes);
    let mut packages = Vec::new();
    let mut stanza = Stanza { line: 1, fields: Vec::new(), architecture };
    let mut take = |stanza: &Stanza<'_>| -> Result<(), String> {
        if !stanza.fields.is_empty() {
            let named = || stanza.field("Package").unwrap_or("a package without a name");
            packages.extend(read(stanza).map_err(|why| format!("line {}: {}: {why}", stanza.line, named()))?);
        }
        Ok(())
    };
    let mut at = 0;
    for (n, line) in text.split_inclusive('\n').enumerate() {
        let start = at;
        at += line.len();
        if line.trim_ascii().is_empty() {
            take(&stanza)?;
            stanza.fields.clear();
        } else if line.starts_with([' ', '\t']) {
            let (_, value) =
                stanza.fields.last_mut().ok_or_else(|| format!("line {}: no field is continued", n + 1))?;
            // the lines of a value lie one behind the other
            *value = &text[start - value.len()..at];
        } else {
            let (name, value) = line.split_once(':').ok_or_else(|| format!("line {}: not a field", n + 1))?;
            if stanza.fields.is_empty() {
                stanza.line = n + 1;
            }
            stanza.fields.push((name, value));
        }
    }
    take(&stanza)?;
    Ok(packages)
}

impl Stanza<'_> {
    fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }

    fn must(&self, name: &str) -> Result<&str, String> {
        self.field(name).filter(|v| !v.is_empty()).ok_or_else(|| format!("{name} is missing"))
    }

    fn joined(&self, one: &str, other: &str) -> String {
        [one, other].iter().filter_map(|name| self.field(name)).collect::<Vec<_>>().join(", ")
    }

    fn package(&self) -> Result<Option<Package>, String> {
        let name = self.must("Package")?;
        let architecture = self.must("Architecture")?;
        if !is_name(name) || !is_architecture(architecture) {
            return Err(format!("{:?} is not the name of a package", name.chars().take(80).collect::<String>()));
        }
        if architecture != "all" && architecture != self.architecture {
            return Ok(None);
        }
        let version = self.must("Version")?.parse().map_err(|e: super::NotAVersion| e.to_string())?;
        let priority = match self.field("Priority") {
            Some("required") => 0,
            Some("important") => 1,
            Some("standard") => 2,
            Some("optional") => 3,
            _ => 4,
        };
        Ok(Some(Package {
            multi_arch: self.field("Multi-Arch") == Some("allowed"),
            priority,
            needs: self.joined("Pre-Depends", "Depends"),
            refuses: self.joined("Conflicts", "Breaks"),
            provides: relation::parse(self.field("Provides").unwrap_or_default())?.into_iter().flatten().collect(),
            ..Package::bare(name, version, architecture)
        }))
    }

    fn offered(&self) -> Result<Option<Package>, String> {
        let Some(mut package) = self.package()? else { return Ok(None) };
        let path = self.must("Filename")?.trim_start_matches("./").to_owned();
        let inside = |part: &str| {
            !part.is_empty()
                && part != "."
                && part != ".."
                && !part.contains(['\\', ':', '?', '#', '%'])
                && part.is_ascii()
        };
        if !path.split('/').all(inside) || path.contains(char::is_whitespace) {
            return Err(format!(
                "Filename: {:?} leads out of the repository",
                path.chars().take(80).collect::<String>()
            ));
        }
        let size = self.must("Size")?.parse().map_err(|_| "Size is not a number".to_owned())?;
        let sha256 = self.must("SHA256")?.to_ascii_lowercase();
        if sha256.len() != 64 || !sha256.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err("SHA256 is not 64 hexadecimal digits".into());
        }
        package.file = Some(PackageFile { path, size, sha256 });
        Ok(Some(package))
    }

    fn installed(&self) -> Result<Option<Package>, String> {
        let state = self.field("Status").unwrap_or("install ok installed");
        if state.split_whitespace().next_back() == Some("installed") { self.package() } else { Ok(None) }
    }
}
