//! What can go wrong with files from outside.

use std::path::{Path, PathBuf};

use steps::Problem;

/// Every id of this crate.
pub const PROBLEMS: &[&str] = &[
    "AL-ART-001",
    "AL-ART-002",
    "AL-ART-003",
    "AL-ART-004",
    "AL-ART-005",
    "AL-ART-006",
    "AL-ART-007",
    "AL-ART-008",
    "AL-ART-009",
    "AL-ART-010",
    "AL-ART-011",
    "AL-ART-012",
    "AL-BND-001",
    "AL-BND-002",
    "AL-BND-003",
    "AL-BND-004",
    "AL-BND-005",
    "AL-BND-006",
    "AL-BND-007",
    "AL-BND-008",
    "AL-BND-009",
];

/// A file is not there, not the right one, or cannot be fetched.
#[derive(Debug, thiserror::Error)]
pub enum ArtifactError {
    /// There is no such file.
    #[error("{name}: {} is not there", path.display())]
    Missing {
        /// What the file is.
        name: String,
        /// Where it should be.
        path: PathBuf,
    },
    /// A file's content is not what it must be.
    #[error("{name}: {origin} has SHA-256 {got} instead of {wanted}")]
    WrongDigest {
        /// What the file is.
        name: String,
        /// The file or address.
        origin: String,
        /// The SHA-256 it must have.
        wanted: String,
        /// The SHA-256 it has.
        got: String,
    },
    /// A file's size is not what it must be.
    #[error("{name}: {origin} has {got} bytes instead of {wanted}")]
    WrongSize {
        /// What the file is.
        name: String,
        /// The file or address.
        origin: String,
        /// Bytes it must have.
        wanted: u64,
        /// Bytes it has.
        got: u64,
    },
    /// None of the addresses answered.
    #[error("{name}: {url}: {why}")]
    Unreachable {
        /// What the file is.
        name: String,
        /// The last address tried.
        url: String,
        /// What happened.
        why: String,
    },
    /// The lock file, or an entry of it, is not valid.
    #[error("{origin}: {why}")]
    Lock {
        /// The lock file.
        origin: String,
        /// What is wrong with it.
        why: String,
    },
    /// A file could not be read or written.
    #[error("{}: {doing} failed", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// `read` or `write`.
        doing: &'static str,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A file is not what it is said to be.
    #[error("{name}: {origin}: {why}")]
    Form {
        /// What the file should be.
        name: String,
        /// The file.
        origin: String,
        /// What it is instead.
        why: String,
    },
    /// A list of packages cannot be used.
    #[error("{origin}: {why}")]
    Index {
        /// The list.
        origin: String,
        /// What is wrong with it.
        why: String,
    },
    /// Something that is asked for is not in the lock.
    #[error("{name} is not in {lock}: {by} asks for it")]
    Unpinned {
        /// The file or image.
        name: String,
        /// Who asks for it.
        by: String,
        /// The lock file.
        lock: String,
        /// The command that pins it.
        how: String,
    },
    /// Images of a profile that a folder of archives does not hold.
    #[error("{folder} lacks {count} images of the profile {profile}: {images}")]
    Absent {
        /// How many.
        count: usize,
        /// Their names.
        images: String,
        /// The folder.
        folder: String,
        /// The profile.
        profile: String,
    },
    /// A repository's release file that nobody of a keyring has signed.
    #[error("{origin}: {why}")]
    Unsigned {
        /// The release file.
        origin: String,
        /// The keys that count.
        keyring: String,
        /// What is wrong.
        why: String,
    },
    /// Packages that cannot be had, or not together.
    #[error("{why}")]
    Packages {
        /// Which, and why.
        why: String,
    },
}

impl ArtifactError {
    pub(crate) fn form(name: &str, path: &Path, why: impl Into<String>) -> Self {
        Self::Form { name: name.to_owned(), origin: path.display().to_string(), why: why.into() }
    }

    pub(crate) fn file(path: &Path, doing: &'static str) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File { path, doing, source }
    }
}

impl Problem for ArtifactError {
    fn id(&self) -> &'static str {
        match self {
            Self::Missing { .. } => PROBLEMS[0],
            Self::WrongDigest { .. } => PROBLEMS[1],
            Self::WrongSize { .. } => PROBLEMS[2],
            Self::Unreachable { .. } => PROBLEMS[3],
            Self::Lock { .. } => PROBLEMS[4],
            Self::File { .. } => PROBLEMS[5],
            Self::Form { .. } => PROBLEMS[6],
            Self::Index { .. } => PROBLEMS[7],
            Self::Packages { .. } => PROBLEMS[8],
            Self::Unpinned { .. } => PROBLEMS[9],
            Self::Absent { .. } => PROBLEMS[10],
            Self::Unsigned { .. } => PROBLEMS[11],
        }
    }

    fn args(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::Missing { name, path } => vec![("name", name.clone()), ("path", path.display().to_string())],
            Self::WrongDigest { name, origin, wanted, got } => vec![
                ("name", name.clone()),
                ("origin", origin.clone()),
                ("wanted", wanted.clone()),
                ("got", got.clone()),
            ],
            Self::WrongSize { name, origin, wanted, got } => vec![
                ("name", name.clone()),
                ("origin", origin.clone()),
                ("wanted", wanted.to_string()),
                ("got", got.to_string()),
            ],
            Self::Unreachable { name, url, why } => {
                vec![("name", name.clone()), ("url", url.clone()), ("why", why.clone())]
            }
            Self::Form { name, origin, why } => {
                vec![("name", name.clone()), ("origin", origin.clone()), ("why", why.clone())]
            }
            Self::Unpinned { name, by, lock, how } => {
                vec![("name", name.clone()), ("by", by.clone()), ("lock", lock.clone()), ("how", how.clone())]
            }
            Self::Absent { count, images, folder, profile } => vec![
                ("count", count.to_string()),
                ("images", images.clone()),
                ("folder", folder.clone()),
                ("profile", profile.clone()),
            ],
            Self::Packages { why } => vec![("why", why.clone())],
            Self::Unsigned { origin, keyring, why } => {
                vec![("origin", origin.clone()), ("keyring", keyring.clone()), ("why", why.clone())]
            }
            Self::Index { origin, why } | Self::Lock { origin, why } => {
                vec![("origin", origin.clone()), ("why", why.clone())]
            }
            Self::File { path, doing, source } => {
                vec![("path", path.display().to_string()), ("doing", (*doing).to_owned()), ("why", source.to_string())]
            }
        }
    }
}
