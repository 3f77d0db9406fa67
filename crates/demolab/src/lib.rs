//! The offline parts of the demo lab: node image, installer ISO, Kubernetes under k3s's skin.
//!
//! Each part is a stand-in and says so: [`Parts::description`]. They are made from the Debian archive that the machine itself uses, on Linux,
//! as root, and kept in a cache by the hash of their inputs.

mod apt;
mod archive;
mod cache;
mod error;
mod helm;
mod images;
mod installer;
mod kubernetes;
mod kubernetes_source;
mod kubesphere;
mod node_image;
mod packages;
mod parts;
mod script;

pub use apt::sources_with_backports;
pub use cache::default_cache;
pub use error::Error;
pub use helm::{HELM, HELM_WHEEL, helm_image};
pub use images::{DNS, Images, PAGE, PAUSE, images};
pub use installer::{installer, installer_iso};
pub use kubernetes::{kubernetes, next_kubernetes};
pub use kubernetes_source::kubernetes_source;
pub use kubesphere::{KUBESPHERE, KUBESPHERE_HOOK, kubesphere_images};
pub use node_image::{NodeImage, node_image};
pub use packages::packages;
pub use parts::{Parts, Spec, build, demo_iso, description};

/// What the builds of this crate give.
pub type Result<T> = std::result::Result<T, Error>;

/// The ids of every problem of this crate.
pub const PROBLEMS: &[&str] =
    &["AL-DEMO-001", "AL-DEMO-002", "AL-DEMO-003", "AL-DEMO-004", "AL-DEMO-005", "AL-DEMO-006", "AL-DEMO-007"];
