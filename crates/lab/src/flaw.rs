//! Mistakes in a lab file.

use std::path::PathBuf;

use steps::Problem;

/// What is wrong at one place of a lab file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FlawKind {
    /// Not TOML at all.
    #[error("not valid TOML: {message}")]
    Syntax {
        /// The parser's words.
        message: String,
    },
    /// A key airlab does not know.
    #[error("unknown key {key}")]
    UnknownKey {
        /// The key with its table, `node.adress`.
        key: String,
        /// The known key it is closest to, where one is close.
        meant: Option<String>,
    },
    /// A value of the wrong kind or outside its range.
    #[error("{key}: {found} is not {wanted}")]
    BadValue {
        /// The key with its table.
        key: String,
        /// What stands there.
        found: String,
        /// What may stand there.
        wanted: String,
    },
    /// A key that must be there is not.
    #[error("{key} is missing")]
    Missing {
        /// The key with its table.
        key: String,
    },
    /// A node's address is not one a node of this network may have.
    #[error("{address} is not a node address of {network}")]
    AddressOutside {
        /// The node.
        node: String,
        /// Its address.
        address: String,
        /// The lab's network.
        network: String,
    },
    /// Two nodes share a name or an address.
    #[error("two nodes with the {what} {value}")]
    Twice {
        /// `name` or `address`.
        what: &'static str,
        /// The value they share.
        value: String,
    },
    /// The nodes do not make a cluster: no server, or an even number of them.
    #[error("{servers} server nodes")]
    Servers {
        /// How many nodes have the role `server`.
        servers: usize,
    },
}

/// One mistake and where it is. Line and column count from 1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}:{line}:{column}: {kind}", file.display())]
pub struct Flaw {
    /// The lab file.
    pub file: PathBuf,
    /// Line.
    pub line: usize,
    /// Column, in characters.
    pub column: usize,
    /// What is wrong there.
    pub kind: FlawKind,
}

/// Every problem id of this crate.
pub const PROBLEMS: &[&str] =
    &["AL-LAB-001", "AL-LAB-002", "AL-LAB-003", "AL-LAB-004", "AL-LAB-005", "AL-LAB-006", "AL-LAB-007", "AL-LAB-008"];

impl Problem for Flaw {
    fn id(&self) -> &'static str {
        match self.kind {
            FlawKind::Syntax { .. } => "AL-LAB-002",
            FlawKind::UnknownKey { .. } => "AL-LAB-003",
            FlawKind::BadValue { .. } => "AL-LAB-004",
            FlawKind::Missing { .. } => "AL-LAB-005",
            FlawKind::AddressOutside { .. } => "AL-LAB-006",
            FlawKind::Twice { .. } => "AL-LAB-007",
            FlawKind::Servers { .. } => "AL-LAB-008",
        }
    }

    fn args(&self) -> Vec<(&'static str, String)> {
        let mut args = vec![
            ("place", format!("{}:{}:{}", self.file.display(), self.line, self.column)),
            ("file", self.file.display().to_string()),
            ("line", self.line.to_string()),
        ];
        args.extend(match &self.kind {
            FlawKind::Syntax { message } => vec![("message", message.clone())],
            FlawKind::UnknownKey { key, meant } => {
                vec![("key", key.clone()), ("meant", meant.clone().unwrap_or_else(|| "-".into()))]
            }
            FlawKind::BadValue { key, found, wanted } => {
                vec![("key", key.clone()), ("found", found.clone()), ("wanted", wanted.clone())]
            }
            FlawKind::Missing { key } => vec![("key", key.clone())],
            FlawKind::AddressOutside { node, address, network } => {
                vec![("node", node.clone()), ("address", address.clone()), ("network", network.clone())]
            }
            FlawKind::Twice { what, value } => vec![("what", (*what).to_owned()), ("value", value.clone())],
            FlawKind::Servers { servers } => vec![("servers", servers.to_string())],
        });
        args
    }
}

/// A lab file could not be used.
#[derive(Debug, thiserror::Error)]
pub enum LabError {
    /// It could not be read.
    #[error("{}: not read", file.display())]
    Unreadable {
        /// The lab file.
        file: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It holds mistakes; at least one.
    #[error("{first}{}", if rest.is_empty() { String::new() } else { format!(" (and {} more)", rest.len()) })]
    Invalid {
        /// The first mistake in the order of the file.
        first: Flaw,
        /// The others.
        rest: Vec<Flaw>,
    },
}

impl Problem for LabError {
    fn id(&self) -> &'static str {
        match self {
            Self::Unreadable { .. } => "AL-LAB-001",
            Self::Invalid { first, .. } => first.id(),
        }
    }

    fn args(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::Unreadable { file, .. } => vec![("file", file.display().to_string())],
            Self::Invalid { first, .. } => first.args(),
        }
    }

    fn also(&self) -> Vec<&dyn Problem> {
        match self {
            Self::Unreadable { .. } => Vec::new(),
            Self::Invalid { rest, .. } => rest.iter().map(|f| f as &dyn Problem).collect(),
        }
    }
}
