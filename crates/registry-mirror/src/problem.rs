//! What can go wrong with the registry and the mirror.

use std::path::{Path, PathBuf};

use steps::Problem;

/// Every id of this crate.
pub const PROBLEMS: &[&str] = &[
    "AL-REG-001",
    "AL-REG-002",
    "AL-REG-003",
    "AL-REG-004",
    "AL-REG-005",
    "AL-REG-006",
    "AL-REG-007",
    "AL-REG-008",
    "AL-REG-009",
    "AL-REG-010",
    "AL-REG-021",
    "AL-REG-022",
    "AL-REG-023",
];

/// The registry could not serve, or an image could not be mirrored.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// Another program listens on the port.
    #[error("port {port} on {address} is in use")]
    PortTaken {
        /// Address to listen on.
        address: String,
        /// The port.
        port: u16,
    },
    /// The address cannot be listened on, for another reason.
    #[error("cannot listen on {address}:{port}")]
    Bind {
        /// Address to listen on.
        address: String,
        /// The port.
        port: u16,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The certificate or its key cannot be used.
    #[error("certificate not usable: {why}")]
    Certificate {
        /// What is wrong with it.
        why: String,
    },
    /// A file of the store, of a source or of the log could not be read or written.
    #[error("{}: {doing} failed", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// `read`, `write` ...
        doing: &'static str,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A file is not an image archive or layout.
    #[error("{origin}: {why}")]
    NotAnImage {
        /// File or registry.
        origin: String,
        /// What is wrong with it.
        why: String,
    },
    /// Bytes do not have the digest they should have.
    #[error("{what}: digest {got} instead of {wanted}")]
    DigestMismatch {
        /// What was read.
        what: String,
        /// The digest it should have.
        wanted: String,
        /// The digest it has.
        got: String,
    },
    /// A source does not hold the image.
    #[error("{origin} does not hold {reference}")]
    ImageNotThere {
        /// The image.
        reference: String,
        /// File or registry.
        origin: String,
    },
    /// Another registry could not be used.
    #[error("{registry}: {why}")]
    Remote {
        /// Host of the registry.
        registry: String,
        /// What happened.
        why: String,
    },
    /// A text is not an image reference.
    #[error("{text} is not an image reference")]
    Reference {
        /// The text.
        text: String,
    },
    /// A registry does not let us.
    #[error("{registry} refuses: {why}")]
    Unauthorized {
        /// Host of the registry.
        registry: String,
        /// What it said.
        why: String,
    },
    /// A profile is not valid.
    #[error("{origin}: {why}")]
    Profile {
        /// The profile.
        origin: String,
        /// What is wrong with it.
        why: String,
    },
    /// Some images of a run could not be brought.
    #[error("{failed} of {total} images failed; first: {first}")]
    Incomplete {
        /// How many failed.
        failed: usize,
        /// How many were asked for.
        total: usize,
        /// The first failure.
        first: String,
    },
    /// The store holds damaged or incomplete content.
    #[error("{damaged} damaged of {blobs} blobs; first: {first}")]
    Damaged {
        /// How many findings.
        damaged: usize,
        /// How many blobs were looked at.
        blobs: usize,
        /// The first finding.
        first: String,
    },
}

impl RegistryError {
    /// Work that ended before its end.
    pub(crate) fn interrupted(what: &str) -> Self {
        Self::NotAnImage { origin: what.to_owned(), why: "interrupted".into() }
    }

    pub(crate) fn file(path: &Path, doing: &'static str) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File { path, doing, source }
    }
}

impl Problem for RegistryError {
    fn id(&self) -> &'static str {
        match self {
            Self::PortTaken { .. } => PROBLEMS[0],
            Self::Bind { .. } => PROBLEMS[1],
            Self::Certificate { .. } => PROBLEMS[2],
            Self::File { .. } => PROBLEMS[3],
            Self::NotAnImage { .. } => PROBLEMS[4],
            Self::DigestMismatch { .. } => PROBLEMS[5],
            Self::ImageNotThere { .. } => PROBLEMS[6],
            Self::Remote { .. } => PROBLEMS[7],
            Self::Reference { .. } => PROBLEMS[8],
            Self::Damaged { .. } => PROBLEMS[9],
            Self::Unauthorized { .. } => PROBLEMS[10],
            Self::Incomplete { .. } => PROBLEMS[11],
            Self::Profile { .. } => PROBLEMS[12],
        }
    }

    fn args(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::PortTaken { address, port } => vec![("address", address.clone()), ("port", port.to_string())],
            Self::Bind { address, port, source } => {
                vec![("address", address.clone()), ("port", port.to_string()), ("why", source.to_string())]
            }
            Self::Certificate { why } => vec![("why", why.clone())],
            Self::File { path, doing, source } => {
                vec![("path", path.display().to_string()), ("doing", (*doing).to_owned()), ("why", source.to_string())]
            }
            Self::NotAnImage { origin, why } => vec![("origin", origin.clone()), ("why", why.clone())],
            Self::DigestMismatch { what, wanted, got } => {
                vec![("what", what.clone()), ("wanted", wanted.clone()), ("got", got.clone())]
            }
            Self::ImageNotThere { reference, origin } => {
                vec![("reference", reference.clone()), ("origin", origin.clone())]
            }
            Self::Remote { registry, why } => vec![("registry", registry.clone()), ("why", why.clone())],
            Self::Reference { text } => vec![("text", text.clone())],
            Self::Unauthorized { registry, why } => vec![("registry", registry.clone()), ("why", why.clone())],
            Self::Profile { origin, why } => vec![("origin", origin.clone()), ("why", why.clone())],
            Self::Incomplete { failed, total, first } => {
                vec![("failed", failed.to_string()), ("total", total.to_string()), ("first", first.clone())]
            }
            Self::Damaged { damaged, blobs, first } => {
                vec![("damaged", damaged.to_string()), ("blobs", blobs.to_string()), ("first", first.clone())]
            }
        }
    }
}
