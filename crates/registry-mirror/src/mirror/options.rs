//! How a mirror run behaves.

use std::path::PathBuf;
use std::time::Duration;

use super::platform::Platforms;
use super::transport::{Credentials, Manner, Retry};

/// How a mirror run behaves. The default suits a good line: four blobs at a time of each registry, five retries.
///
/// ```
/// let options = registry_mirror::Options { bandwidth: Some(2 << 20), ..Default::default() };
/// assert_eq!((options.parallel, options.retries), (4, 5));
/// ```
#[derive(Debug, Clone)]
pub struct Options {
    /// Blobs of one registry under way at a time.
    pub parallel: usize,
    /// How often a request is made again when its trouble may pass: broken connections, 429, 5xx.
    pub retries: u32,
    /// The first wait between two tries; it doubles every time, and `Retry-After` comes first.
    pub retry_wait: Duration,
    /// Bytes per second of all sources together; no limit at `None`.
    pub bandwidth: Option<u64>,
    /// Platforms of images that exist for several.
    pub platforms: Platforms,
    /// CA to trust for all registries instead of the system's, PEM.
    pub ca_pem: Option<String>,
    /// Logins.
    pub credentials: Credentials,
    /// Folder for blobs on their way to a registry. A store keeps its own.
    pub scratch: PathBuf,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            parallel: 4,
            retries: 5,
            retry_wait: Duration::from_millis(500),
            bandwidth: None,
            platforms: Platforms::All,
            ca_pem: None,
            credentials: Credentials::none(),
            scratch: std::env::temp_dir().join("airlab-mirror"),
        }
    }
}

impl Options {
    pub(super) fn retry(&self) -> Retry {
        Retry { times: self.retries, first: self.retry_wait }
    }

    pub(super) fn manner(&self, ca_pem: Option<&str>) -> Manner {
        let ca_pem = ca_pem.map(str::to_owned).or_else(|| self.ca_pem.clone());
        Manner { ca_pem, retry: self.retry(), parallel: self.parallel.max(1) }
    }
}
