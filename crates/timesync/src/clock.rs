//! What a node says about its clock.

use serde::{Deserialize, Serialize};

use crate::Offset;

/// How the last look at the registry's clock ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Within the node's own limit.
    Ok,
    /// Beyond it.
    Wrong,
    /// The registry could not be asked: the clock is at least not before the build stamp.
    Degraded,
    /// The registry's certificate is not trusted, so nothing it says is.
    Untrusted,
    /// The registry's own clock jumped while the node's ran steadily: it is not followed.
    Moved,
}

/// Whose the clock is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Whose {
    /// The node's own: it can set it.
    Own,
    /// The host's: the node can only measure it.
    Host,
}

/// One reading, as the guest script writes it to `/run/airlab/clock.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clock {
    /// How it ended.
    pub state: State,
    /// This clock minus the registry's, where it could be measured.
    #[serde(rename = "offset_ms")]
    pub offset: Option<Offset>,
    /// Whose the clock is.
    pub clock: Whose,
    /// The registry's address.
    pub source: String,
    /// When, by the clock in question (RFC 3339).
    pub at: String,
    /// Why it could not be measured or set, in the node's own words; empty where it could.
    #[serde(default)]
    pub why: String,
}
