//! What can be wrong with a bundle.

use std::path::{Path, PathBuf};

use steps::Problem;

use crate::ArtifactError;

/// A bundle cannot be made, trusted or read.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// There is no manifest, or it says what no bundle may say.
    #[error("{}: {why}", path.display())]
    NotABundle {
        /// The manifest.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// Nobody who is trusted has signed the manifest.
    #[error("{}: {why}", path.display())]
    NotTrusted {
        /// The manifest.
        path: PathBuf,
        /// `there is no signature`, `signed by another key` ...
        why: String,
    },
    /// A part is not there.
    #[error("{} is missing", path.display())]
    PartMissing {
        /// The part.
        path: PathBuf,
    },
    /// A part is not the one that was written.
    #[error("{}: {why}", path.display())]
    PartDamaged {
        /// The part.
        path: PathBuf,
        /// Its size or its digest.
        why: String,
    },
    /// What the stream holds is not what the manifest says.
    #[error("{entry} ({what}) in {part}: {why}")]
    ContentDamaged {
        /// Its name in the stream.
        entry: String,
        /// Which images or files it belongs to.
        what: String,
        /// The part in which it begins.
        part: String,
        /// What is wrong.
        why: String,
    },
    /// A differential bundle without the one it adds to.
    #[error("{bundle} needs {base}: {blobs} blobs are missing")]
    BaseMissing {
        /// The bundle.
        bundle: String,
        /// The bundle that it adds to, with the first digits of its manifest's SHA-256.
        base: String,
        /// How many blobs are nowhere.
        blobs: usize,
    },
    /// Another bundle of this name is there.
    #[error("{} is another bundle", path.display())]
    AlreadyThere {
        /// Its manifest.
        path: PathBuf,
    },
    /// A key cannot be read or made.
    #[error("{}: {why}", path.display())]
    Key {
        /// The key file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// The lock names something that was not given, or the other way round.
    #[error("{what}: {why}")]
    Incomplete {
        /// The image or file.
        what: String,
        /// What is wrong.
        why: String,
    },
    /// Several things at once.
    #[error("{first}")]
    Several {
        /// The first.
        first: Box<BundleError>,
        /// The others.
        rest: Vec<BundleError>,
    },
    /// A file from outside.
    #[error(transparent)]
    Artifact(#[from] ArtifactError),
}

impl BundleError {
    /// A file that could not be read or written.
    pub(super) fn file(path: &Path, doing: &'static str) -> impl FnOnce(std::io::Error) -> Self {
        let fail = ArtifactError::file(path, doing);
        move |source| Self::Artifact(fail(source))
    }

    /// Nothing, or everything that was found.
    pub(super) fn all(mut found: Vec<Self>) -> Result<(), Self> {
        match found.len() {
            0 => Ok(()),
            1 => Err(found.remove(0)),
            _ => Err(Self::Several { first: Box::new(found.remove(0)), rest: found }),
        }
    }
}

impl Problem for BundleError {
    fn id(&self) -> &'static str {
        match self {
            Self::NotABundle { .. } => "AL-BND-001",
            Self::NotTrusted { .. } => "AL-BND-002",
            Self::PartMissing { .. } => "AL-BND-003",
            Self::PartDamaged { .. } => "AL-BND-004",
            Self::ContentDamaged { .. } => "AL-BND-005",
            Self::BaseMissing { .. } => "AL-BND-006",
            Self::AlreadyThere { .. } => "AL-BND-007",
            Self::Key { .. } => "AL-BND-008",
            Self::Incomplete { .. } => "AL-BND-009",
            Self::Several { first, .. } => first.id(),
            Self::Artifact(error) => error.id(),
        }
    }

    fn args(&self) -> Vec<(&'static str, String)> {
        let path_and_why = |path: &Path, why: &String| vec![("path", path.display().to_string()), ("why", why.clone())];
        match self {
            Self::NotABundle { path, why }
            | Self::NotTrusted { path, why }
            | Self::PartDamaged { path, why }
            | Self::Key { path, why } => path_and_why(path, why),
            Self::PartMissing { path } | Self::AlreadyThere { path } => vec![("path", path.display().to_string())],
            Self::ContentDamaged { entry, what, part, why } => {
                vec![("entry", entry.clone()), ("what", what.clone()), ("part", part.clone()), ("why", why.clone())]
            }
            Self::BaseMissing { bundle, base, blobs } => {
                vec![("bundle", bundle.clone()), ("base", base.clone()), ("blobs", blobs.to_string())]
            }
            Self::Incomplete { what, why } => vec![("what", what.clone()), ("why", why.clone())],
            Self::Several { first, .. } => first.args(),
            Self::Artifact(error) => error.args(),
        }
    }

    fn also(&self) -> Vec<&dyn Problem> {
        match self {
            Self::Several { rest, .. } => rest.iter().map(|e| e as &dyn Problem).collect(),
            _ => Vec::new(),
        }
    }
}
