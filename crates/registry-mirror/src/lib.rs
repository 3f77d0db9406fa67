//! Mirror engine and embedded OCI registry for an air-gapped lab.
//!
//! * [`Store`]: a folder in the layout of the reference registry, so that a stock `docker-registry` can serve it too.
//! * [`serve`]: that folder as an OCI registry over TLS, on the desktop itself.
//! * [`mirror`]: images from docker archives, OCI layouts and other registries into a store; each blob once, every
//!   digest checked while it is read, and nothing written on a second run.
//! * [`Registries`]: the `registries.yaml` with which k3s nodes use it.

mod digest;
mod mirror;

mod name;
mod problem;
mod registries;
mod server;
mod service;
mod store;

pub use digest::{Algorithm, Digest, NotADigest};

pub use mirror::{
    Credentials, Image, MirrorReport, Options, Outcome, Platforms, Source, Target, mirror, mirror_archives, mirror_to,
    names_in,
};
pub use name::{NotAName, Repository, Tag};
pub use problem::{PROBLEMS, RegistryError};
pub use registries::Registries;
pub use server::{Limits, ServeSpec, Serving, serve, shutdown_signal};
pub use service::{Manager, Service, ServiceSeen, ServiceStep};
pub use store::{Blob, CatalogEntry, Collected, Finding, GarbageSpec, Part, PutArtifact, Store, TaggedImage, Verified};
