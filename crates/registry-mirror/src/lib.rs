//! Mirror engine and embedded OCI registry for an air-gapped lab.
//!
//! * [`Store`]: a folder in the layout of the reference registry, so that a stock `docker-registry` can serve it too.
//! * [`serve`]: that folder as an OCI registry over TLS, on the desktop itself.
//! * [`mirror_to`]: images from docker archives, OCI layouts, registries and stores into a store or a registry; each
//!   blob once, every digest checked while it is read, and nothing written on a second run.
//! * [`Profile`]: the images that a lab needs, and where to look for them; [`survey`] tells what exists where.
//! * [`Registries`]: the `registries.yaml` with which k3s nodes use it.

mod digest;
mod image_name;
mod mirror;

mod name;
mod problem;
mod profile;
mod registries;
mod server;
mod service;
mod store;

pub use digest::{Algorithm, Digest, NotADigest};

pub use image_name::full_name;
pub use mirror::{
    BasicLogin, Credentials, Found, Image, MirrorReport, Options, Outcome, Platforms, Source, Survey, Target, mirror,
    mirror_archives, mirror_to, names_in, survey,
};
#[doc(hidden)]
pub use mirror::{packed_tar_names, tar_names};
pub use name::{NotAName, Repository, Tag};
pub use problem::{PROBLEMS, RegistryError};
pub use profile::{Profile, ProfileImage};
pub use registries::Registries;
pub use server::{Limits, ServeSpec, Serving, serve, shutdown_signal};
pub use service::{Manager, Service, ServiceSeen, ServiceStep};
pub use store::{
    Blob, Carrier, CatalogEntry, Collected, Finding, GarbageSpec, Part, PutArtifact, Store, StoredImage, TaggedImage,
    Verified,
};
