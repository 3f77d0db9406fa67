//! A Kubernetes API of any version, 1.20 to 1.33 and later: what it serves is asked of it, never assumed.
//!
//! Objects are dynamic, applied on the server's side under the caller's field manager; waiting is watching, with a list
//! wherever a watch cannot go on. A lab is not behind a proxy: variables such as `HTTPS_PROXY` have no effect here.

mod api;
mod diagnose;
mod objects;
mod problem;
mod watch;

pub use api::Api;
pub use kube::api::DynamicObject;
pub use objects::{Applied, Place};
pub use problem::{ApiError, FieldConflict, PROBLEMS};
pub use watch::Selection;
