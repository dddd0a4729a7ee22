//! Why the web chat refuses, as the visitor's program and a person read it.

use std::time::Duration;

use doorstep_core::channel::AdmitError;

use super::{config::RateLimit, protocol::ServerFrame};

/// After how long a client should try again when the store was away, in seconds.
const OVERLOADED_RETRY_SECONDS: u64 = 2;

/// A refusal. Its text is for people: what is wrong, and what is allowed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WebChatError {
    /// The page's origin is not on the list. (403)
    #[error(
        "Pages of {origin} may not use this chat. The shop allows origins in channels.webchat.allowed_origins."
    )]
    ForeignOrigin {
        /// The origin, shortened.
        origin: String,
    },
    /// The session token is forged, damaged or too old. (401)
    #[error("This session is not valid any more. Ask for a new one at /chat/session.")]
    InvalidSession,
    /// The shop's identity token does not hold. (401)
    #[error("The identity token is refused: {reason}.")]
    InvalidIdentity {
        /// Which of its parts, and why.
        reason: String,
    },
    /// Too fast. (429)
    #[error(
        "Too many {what}: {} at once and {} a minute are allowed. Try again in {} s.",
        limit.burst, limit.per_minute, seconds(retry_after)
    )]
    RateLimited {
        /// What there were too many of.
        what: &'static str,
        /// What is allowed.
        limit: RateLimit,
        /// When the next one is let through.
        retry_after: Duration,
    },
    /// Too long. (413)
    #[error("The message is too long: {found} {unit}, {allowed} are allowed.")]
    TooLarge {
        /// How long it is.
        found: usize,
        /// How long it may be.
        allowed: usize,
        /// `bytes` or `characters`.
        unit: &'static str,
    },
    /// Not a frame of the protocol. (400)
    #[error("{reason}")]
    Invalid {
        /// What is wrong, and what would be right.
        reason: String,
    },
    /// The message could not be stored, or the store not be read. (503)
    #[error("The chat is busy. Nothing was lost; try again in {OVERLOADED_RETRY_SECONDS} s.")]
    Overloaded,
}

impl WebChatError {
    /// The code of the `error` frame.
    pub fn code(&self) -> &'static str {
        match self {
            Self::ForeignOrigin { .. } | Self::InvalidSession | Self::InvalidIdentity { .. } => {
                "unauthorized"
            }
            Self::RateLimited { .. } => "rate_limited",
            Self::TooLarge { .. } => "too_large",
            Self::Invalid { .. } => "invalid",
            Self::Overloaded => "overloaded",
        }
    }

    /// A short, fixed name for metrics.
    pub fn label(&self) -> &'static str {
        match self {
            Self::ForeignOrigin { .. } => "foreign_origin",
            Self::InvalidSession => "invalid_session",
            Self::InvalidIdentity { .. } => "invalid_identity",
            other => other.code(),
        }
    }

    /// Counts the refusal in `doorstep_webchat_rejected_total` on its way out.
    pub fn counted(self) -> Self {
        metrics::counter!("doorstep_webchat_rejected_total", "reason" => self.label()).increment(1);
        self
    }

    /// Seconds after which trying again makes sense (header `Retry-After`).
    pub fn retry_after(&self) -> Option<u64> {
        match self {
            Self::RateLimited { retry_after, .. } => Some(seconds(retry_after)),
            Self::Overloaded => Some(OVERLOADED_RETRY_SECONDS),
            _ => None,
        }
    }

    /// The `error` frame.
    pub fn frame(&self) -> String {
        self.frame_for(None)
    }

    /// The `error` frame about the message that the client called `id`.
    pub(super) fn frame_for(&self, id: Option<&str>) -> String {
        let frame = ServerFrame::Error {
            code: self.code(),
            id,
            text: self.to_string(),
            retry_after: self.retry_after(),
        };
        frame.render()
    }

    /// Whether the client could have known better.
    pub(super) fn is_the_clients_fault(&self) -> bool {
        !matches!(self, Self::Overloaded)
    }
}

impl From<AdmitError> for WebChatError {
    fn from(error: AdmitError) -> Self {
        tracing::warn!(%error, "the store did not serve the web chat");
        Self::Overloaded
    }
}

/// Whole seconds, rounded up: trying after them succeeds.
fn seconds(wait: &Duration) -> u64 {
    wait.as_secs_f64().ceil().max(1.0) as u64
}
