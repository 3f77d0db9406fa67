//! What can be wrong with an ISO image, or with a wish about one.

use std::path::{Path, PathBuf};

use steps::Problem;

/// An operation on an ISO image failed.
#[derive(Debug, thiserror::Error)]
pub enum IsoError {
    /// There is no ISO 9660 volume in the file.
    #[error("{}: not an ISO 9660 image", path.display())]
    NotAnIso {
        /// The file.
        path: PathBuf,
    },
    /// The volume is larger than the file.
    #[error("{}: {have} bytes, but its volume has {want}", path.display())]
    Truncated {
        /// The file.
        path: PathBuf,
        /// Its size.
        have: u64,
        /// The size its volume descriptor promises.
        want: u64,
    },
    /// A structure inside does not make sense.
    #[error("{}: damaged: {what}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Which structure, and what about it.
        what: String,
    },
    /// A file is not there.
    #[error("{}: no file {name} inside", path.display())]
    NoFile {
        /// The image.
        path: PathBuf,
        /// The wanted name.
        name: String,
    },
    /// There is no `/boot/grub/grub.cfg`.
    #[error("{}: no /boot/grub/grub.cfg", path.display())]
    NoGrub {
        /// The image.
        path: PathBuf,
    },
    /// No entry of the boot menu takes kernel arguments the way Ubuntu's installer does.
    #[error("{}: no menu entry with a kernel and `---`", path.display())]
    NoMenuEntry {
        /// The image.
        path: PathBuf,
    },
    /// The image carries a patch already.
    #[error("{}: already patched ({how})", path.display())]
    AlreadyPatched {
        /// The image.
        path: PathBuf,
        /// How that was seen.
        how: String,
    },
    /// Somebody changed the source while it was read.
    #[error("{}: changed while it was read", path.display())]
    Changed {
        /// The image.
        path: PathBuf,
    },
    /// The source is not the one that was asked for.
    #[error("{}: sha256 is {have}, not {want}", path.display())]
    WrongSha256 {
        /// The image.
        path: PathBuf,
        /// Its checksum.
        have: String,
        /// The expected one.
        want: String,
    },
    /// The image is sound, but not laid out like an Ubuntu installer, so it cannot be patched in place.
    #[error("{}: layout not supported: {what}", path.display())]
    Layout {
        /// The image.
        path: PathBuf,
        /// What is missing or different.
        what: String,
    },
    /// `reset` was asked for an image that carries no patch of ours.
    #[error("{}: not patched by this program", path.display())]
    NotPatched {
        /// The image.
        path: PathBuf,
    },
    /// A wanted file name or argument cannot be put on an ISO.
    #[error("{what}: {why}")]
    BadWish {
        /// The name or argument.
        what: String,
        /// Why not.
        why: &'static str,
    },
    /// A second look did not find what was written.
    #[error("{}: {name} does not read back as written", path.display())]
    Mismatch {
        /// The image.
        path: PathBuf,
        /// What differs.
        name: String,
    },
    /// The operating system refused something.
    #[error("{}: {doing}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// `read`, `copy`, ...
        doing: &'static str,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

pub(crate) const IDS: &[&str] = &[
    "AL-ISO-001",
    "AL-ISO-002",
    "AL-ISO-003",
    "AL-ISO-004",
    "AL-ISO-005",
    "AL-ISO-006",
    "AL-ISO-007",
    "AL-ISO-008",
    "AL-ISO-009",
    "AL-ISO-010",
    "AL-ISO-011",
    "AL-ISO-012",
    "AL-ISO-013",
    "AL-ISO-014",
];

impl Problem for IsoError {
    fn id(&self) -> &'static str {
        let number = match self {
            Self::NotAnIso { .. } => 0,
            Self::Truncated { .. } => 1,
            Self::Damaged { .. } => 2,
            Self::NoFile { .. } => 3,
            Self::NoGrub { .. } => 4,
            Self::NoMenuEntry { .. } => 5,
            Self::AlreadyPatched { .. } => 6,
            Self::Changed { .. } => 7,
            Self::WrongSha256 { .. } => 8,
            Self::Layout { .. } => 9,
            Self::NotPatched { .. } => 10,
            Self::BadWish { .. } => 11,
            Self::Mismatch { .. } => 12,
            Self::Io { .. } => 13,
        };
        IDS[number]
    }

    fn args(&self) -> Vec<(&'static str, String)> {
        let path = |p: &Path| ("path", p.display().to_string());
        match self {
            Self::NotAnIso { path: p } | Self::NoGrub { path: p } | Self::NoMenuEntry { path: p } => vec![path(p)],
            Self::Changed { path: p } | Self::NotPatched { path: p } => vec![path(p)],
            Self::Truncated { path: p, have, want } => {
                vec![path(p), ("have", have.to_string()), ("want", want.to_string())]
            }
            Self::Damaged { path: p, what } | Self::Layout { path: p, what } => vec![path(p), ("what", what.clone())],
            Self::NoFile { path: p, name } | Self::Mismatch { path: p, name } => vec![path(p), ("name", name.clone())],
            Self::AlreadyPatched { path: p, how } => vec![path(p), ("how", how.clone())],
            Self::WrongSha256 { path: p, have, want } => vec![path(p), ("have", have.clone()), ("want", want.clone())],
            Self::BadWish { what, why } => vec![("what", what.clone()), ("why", (*why).to_owned())],
            Self::Io { path: p, doing, source } => {
                vec![path(p), ("doing", (*doing).to_owned()), ("reason", source.to_string())]
            }
        }
    }
}
