//! What a port says of itself to `/readyz`.

use serde::Serialize;

/// Whether a part works.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum Health {
    /// It works.
    Ok,
    /// It works in a lesser way (G7): the fallback is named.
    Degraded {
        /// What is missing and what stands in.
        reason: String,
    },
    /// It does not work.
    Down {
        /// What is wrong.
        reason: String,
    },
}

/// A port to somebody else's service failed.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{port} did not answer: {reason}")]
pub struct PortError {
    /// Which one: `shop:demo`, `search`.
    pub port: String,
    /// What happened.
    pub reason: String,
}

impl PortError {
    /// `port` failed with `reason`.
    pub fn new(port: impl Into<String>, reason: impl ToString) -> Self {
        Self {
            port: port.into(),
            reason: reason.to_string(),
        }
    }
}
