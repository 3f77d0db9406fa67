//! KubeSphere on a k3s cluster without the internet: k3s's own Helm controller installs the `ks-core` chart that is given
//! to it as bytes; extensions follow as `InstallPlan`s, each after what it needs.
//!
//! Everything that is applied is first a value; what is wrong is found by pure functions over lists of objects.

mod chart;
mod console;
mod core;
mod extensions;
mod findings;
mod password;
mod problem;
mod release;
mod remove;
mod size;
mod status;
mod telling;
mod values;

pub use chart::{Chart, LARGEST_CONTENT};
pub use console::{Console, Login, login};
pub use core::{Core, Installed, ensure_core};
pub use extensions::{Extension, Profile, ensure_extensions};
pub use findings::{Cause, Finding, Seen, findings};
pub use password::AdminPassword;
pub use problem::{KubeSphereError, PROBLEMS};
pub use release::{Delivery, Release};
pub use remove::remove;
pub use size::{Fit, fits, on_nodes};
pub use status::{ExtensionState, Status, Workload, status};
pub use values::Values;

/// The namespace of the core; the chart refuses any other.
pub const NAMESPACE: &str = "kubesphere-system";
/// The port of every node on which the console answers.
pub const CONSOLE_PORT: u16 = 30880;
/// Under this name our fields are applied.
pub(crate) const MANAGER: &str = "airlab";
