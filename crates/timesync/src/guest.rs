//! The files that make a node keep time.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub(crate) const SCRIPT: &str = "/usr/local/sbin/sync-time";
pub(crate) const CLOCK: &str = "/run/airlab/clock.json";

/// Units to enable on a node.
pub const UNITS: [&str; 2] = ["sync-time.service", "sync-time.timer"];

/// What the guest script has to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GuestConfig {
    /// `ADDRESS:PORT` of the registry.
    pub registry: String,
    /// The node calls its own clock wrong beyond this.
    pub limit: Duration,
    /// No clock of the lab can be before this moment. Take one that stays the same from run to run, such as the
    /// birth of the lab's certificate authority: the node's seed depends on it.
    pub build: SystemTime,
}

/// A file for the node, owned by root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GuestFile {
    /// Absolute path.
    pub path: &'static str,
    /// Text.
    pub content: String,
    /// Unix permission bits.
    pub mode: u32,
}

/// The script, its units, its environment file and the build stamp.
///
/// ```
/// use std::time::{Duration, UNIX_EPOCH};
/// let config = timesync::GuestConfig {
///     registry: "192.168.6.1:5000".into(),
///     limit: Duration::from_secs(2),
///     build: UNIX_EPOCH + Duration::from_secs(1_700_000_000),
/// };
/// let files = timesync::guest_files(&config);
/// assert!(files.iter().any(|f| f.path == "/etc/airlab/build-stamp" && f.content == "1700000000\n"));
/// ```
pub fn guest_files(config: &GuestConfig) -> Vec<GuestFile> {
    let file = |path, content: &str, mode| GuestFile { path, content: content.to_owned(), mode };
    let stamp = config.build.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let env = format!("AIRLAB_REGISTRY={}\nAIRLAB_CLOCK_LIMIT_MS={}\n", config.registry, config.limit.as_millis());
    vec![
        file("/etc/airlab/airlab.env", &env, 0o644),
        file("/etc/airlab/build-stamp", &format!("{stamp}\n"), 0o644),
        file(SCRIPT, include_str!("../../../guest/sync-time"), 0o755),
        file("/etc/systemd/system/sync-time.service", include_str!("../../../guest/sync-time.service"), 0o644),
        file(
            "/etc/systemd/system/sync-time-again.service",
            include_str!("../../../guest/sync-time-again.service"),
            0o644,
        ),
        file("/etc/systemd/system/sync-time.timer", include_str!("../../../guest/sync-time.timer"), 0o644),
    ]
}
