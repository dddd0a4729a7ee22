//! Signed requests from providers, shops and carriers. Every byte of them is hostile until its signature is checked.

use bytes::Bytes;
use http::{HeaderMap, Method};

use crate::Timestamp;

/// A webhook as it came over the wire; the front door has limited its size and rate.
#[derive(Debug, Clone)]
pub struct WebhookRequest {
    /// HTTP method.
    pub method: Method,
    /// Raw query string, without `?`.
    pub query: String,
    /// Headers.
    pub headers: HeaderMap,
    /// Raw body: signatures are over exactly these bytes.
    pub body: Bytes,
    /// When it arrived, by our clock: the replay window is judged against it.
    pub received_at: Timestamp,
}

impl WebhookRequest {
    /// A header's value as text.
    ///
    /// # Errors
    /// The header is missing or not visible ASCII.
    pub fn header(&self, name: &'static str) -> Result<&str, WebhookRejection> {
        self.headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .ok_or(WebhookRejection::MissingHeader { name })
    }
}

/// Why a webhook was refused. Nothing was stored. The front door maps it to a status and counts it by [`Self::label`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WebhookRejection {
    /// A header that the source's specification demands is missing. (401)
    #[error("header `{name}` is missing or not readable")]
    MissingHeader {
        /// Its name.
        name: &'static str,
    },
    /// The signature does not fit the body. (401)
    #[error("the signature does not fit the body")]
    BadSignature,
    /// The timestamp lies outside the replay window. (401)
    #[error(
        "the timestamp is {seconds} s away from now; {allowed} s are allowed: check the sender's clock"
    )]
    OutsideReplayWindow {
        /// How far away.
        seconds: i64,
        /// How far is allowed.
        allowed: i64,
    },
    /// The body is not what the source's specification says. (400)
    #[error("the body is not understood: {reason}")]
    Malformed {
        /// Field and reason.
        reason: String,
    },
    /// A well-formed body of a kind or version that we do not know. (422)
    #[error("`{found}` is not supported here; supported: {supported}")]
    Unsupported {
        /// What came.
        found: String,
        /// What would be taken.
        supported: String,
    },
    /// The channel or source has no webhooks. (404)
    #[error("nothing receives webhooks under this name")]
    NotHere,
}

impl WebhookRejection {
    /// A short, fixed name for metrics and logs.
    pub fn label(&self) -> &'static str {
        match self {
            Self::MissingHeader { .. } => "missing_header",
            Self::BadSignature => "bad_signature",
            Self::OutsideReplayWindow { .. } => "outside_replay_window",
            Self::Malformed { .. } => "malformed",
            Self::Unsupported { .. } => "unsupported",
            Self::NotHere => "not_here",
        }
    }
}
