//! Bills of materials as SPDX 2.3: of a bundle, and of our own programs.

mod program;

pub use program::{BillError, Built, program, unlisted};

use serde_json::{Value, json};

use crate::artifact::sha256_hex;

/// What a document says it does not know.
const UNKNOWN: &str = "NOASSERTION";

/// A document while it is written: packages, and how they belong together.
pub(crate) struct Document {
    name: String,
    packages: Vec<Value>,
    relations: Vec<Value>,
}

/// One package of a document.
pub(crate) struct Package(Value);

impl Document {
    pub(crate) fn new(name: &str) -> Self {
        Self { name: name.to_owned(), packages: Vec::new(), relations: Vec::new() }
    }

    pub(crate) fn add(&mut self, package: Package) {
        self.packages.push(package.0);
    }

    /// Between two packages by their ids, without `SPDXRef-`.
    pub(crate) fn relate(&mut self, from: &str, kind: &str, to: &str) {
        self.relations.push(json!({
            "spdxElementId": format!("SPDXRef-{from}"),
            "relationshipType": kind,
            "relatedSpdxElement": format!("SPDXRef-{to}"),
        }));
    }

    /// The document. The same content gives the same bytes; `kind` is a part of its name, `bundle` or `program`.
    pub(crate) fn render(self, kind: &str) -> Vec<u8> {
        let content = sha256_hex(json!([self.packages, self.relations]).to_string().as_bytes());
        let document = json!({
            "spdxVersion": "SPDX-2.3",
            "dataLicense": "CC0-1.0",
            "SPDXID": "SPDXRef-DOCUMENT",
            "name": self.name,
            // a name, not an address; `invalid` is never one (RFC 2606)
            "documentNamespace": format!("https://airlab.invalid/{kind}/{}/{content}", self.name),
            "creationInfo": { "created": "1970-01-01T00:00:00Z", "creators": ["Tool: airlab"] },
            "packages": self.packages,
            "relationships": self.relations,
        });
        let mut bytes = serde_json::to_vec_pretty(&document).expect("a JSON value is always JSON");
        bytes.push(b'\n');
        bytes
    }
}

impl Package {
    /// A package of which nothing but the name is known. The id is of letters, digits, `.` and `-`.
    pub(crate) fn new(id: &str, name: &str) -> Self {
        Self(json!({
            "SPDXID": format!("SPDXRef-{id}"),
            "name": name,
            "downloadLocation": UNKNOWN,
            "filesAnalyzed": false,
            "licenseConcluded": UNKNOWN,
            "licenseDeclared": UNKNOWN,
            "copyrightText": UNKNOWN,
        }))
    }

    pub(crate) fn version(mut self, version: &str) -> Self {
        self.0["versionInfo"] = version.into();
        self
    }

    pub(crate) fn sha256(mut self, sha256: &str) -> Self {
        self.0["checksums"] = json!([{ "algorithm": "SHA256", "checksumValue": sha256 }]);
        self
    }

    /// The licence that its authors declare, as an SPDX expression.
    fn license(mut self, expression: &str) -> Self {
        self.0["licenseDeclared"] = expression.into();
        self
    }

    /// Its address in the world of packages, `pkg:cargo/NAME@VERSION`.
    fn purl(mut self, purl: &str) -> Self {
        self.0["externalRefs"] = json!([{
            "referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": purl,
        }]);
        self
    }
}
