//! What Meta's error codes mean for a message, and the errors of the Graph API themselves.
//!
//! Codes and meanings: Meta, "WhatsApp Business Platform: Error codes"
//! (<https://developers.facebook.com/documentation/business-messaging/whatsapp/support/error-codes>) and "Graph API: Handling
//! Errors" (<https://developers.facebook.com/docs/graph-api/guides/error-handling>). The same codes come as an answer and
//! in a status webhook.

use std::{fmt, time::Duration};

use doorstep_core::channel::SendError;
use serde_json::Value;

/// What to do about a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Certainly not sent; again, after so many seconds, or with our own back-off.
    Retry(Option<u64>),
    /// Certainly not sent; the next channel.
    Fail,
    /// Nothing more can be sent to this customer until they write.
    Gone,
    /// The 24-hour window is closed: the approved template, else the next channel.
    Template,
}

/// One code of Meta's.
#[derive(Debug, Clone, Copy)]
pub(super) struct Code {
    pub(super) code: i64,
    pub(super) step: Step,
    pub(super) meaning: &'static str,
}

const fn code(code: i64, step: Step, meaning: &'static str) -> Code {
    Code {
        code,
        step,
        meaning,
    }
}

use Step::{Fail, Gone, Retry, Template};

/// Every code that a send or a status can bring, in ascending order. What concerns every message (the token, an outage) is
/// tried again: it is mended by a person or by time, and the next channel comes when the attempts are used up.
pub(super) const CODES: &[Code] = &[
    // Authorisation
    code(
        0,
        Retry(None),
        "the app user could not be authenticated: get a new access token",
    ),
    code(
        1,
        Retry(None),
        "unknown error of the API, or a request that it does not take",
    ),
    code(2, Retry(None), "the API is down or overloaded"),
    code(
        3,
        Fail,
        "the app may not use this method: check its permissions",
    ),
    // Throttling
    code(
        4,
        Retry(Some(60)),
        "the app has reached its rate of API calls",
    ),
    code(10, Fail, "the permission was not granted or was removed"),
    code(33, Fail, "the business phone number was deleted"),
    code(100, Fail, "a parameter is wrong or not supported"),
    code(
        190,
        Retry(None),
        "the access token is expired or no longer valid: get a new one",
    ),
    // Integrity
    code(
        368,
        Fail,
        "the business account is blocked for a violation of Meta's policies",
    ),
    code(
        80007,
        Retry(Some(60)),
        "the business account has reached its rate of API calls",
    ),
    code(
        130_403,
        Fail,
        "the customer's country or number may not be written to by this business",
    ),
    code(
        130_429,
        Retry(Some(1)),
        "the number has reached its messages a second",
    ),
    code(
        130_472,
        Fail,
        "the customer's number is part of an experiment of Meta's and gets no marketing",
    ),
    code(
        130_497,
        Fail,
        "the business account may not write to customers in this country",
    ),
    code(131_000, Retry(None), "something went wrong at Meta"),
    code(
        131_005,
        Fail,
        "access denied: the permission was not granted or was removed",
    ),
    code(131_008, Fail, "a required parameter is missing"),
    code(131_009, Fail, "a parameter's value is not valid"),
    code(131_016, Retry(None), "a service of Meta's is unavailable"),
    code(131_021, Fail, "sender and recipient are the same number"),
    code(
        131_026,
        Gone,
        "the message is undeliverable: no WhatsApp there, an old version, terms not accepted, or blocked",
    ),
    code(
        131_030,
        Fail,
        "the recipient is not on the test number's list of allowed numbers",
    ),
    code(131_031, Fail, "the business account is locked"),
    code(
        131_037,
        Fail,
        "the number's display name is not approved yet",
    ),
    code(
        131_042,
        Fail,
        "a problem with the business account's payment method",
    ),
    code(
        131_045,
        Fail,
        "the number is not registered with the Cloud API",
    ),
    code(
        131_047,
        Template,
        "more than 24 hours since the customer's last message: only a template may be sent",
    ),
    code(
        131_048,
        Fail,
        "the number may send less for now, because customers blocked it or reported spam",
    ),
    code(
        131_049,
        Fail,
        "not delivered, to keep the customer from getting too much marketing",
    ),
    code(
        131_050,
        Fail,
        "the customer stopped marketing messages of this business",
    ),
    code(131_051, Fail, "this type of message is not supported"),
    code(
        131_052,
        Fail,
        "the customer's media could not be downloaded",
    ),
    code(131_053, Fail, "the message's media could not be uploaded"),
    code(131_055, Fail, "this method is not allowed"),
    code(
        131_056,
        Retry(Some(6)),
        "too many messages to this customer in a short time",
    ),
    code(
        131_057,
        Retry(Some(300)),
        "the business account is in maintenance",
    ),
    code(131_059, Fail, "the message's time to live is not valid"),
    code(131_060, Fail, "this message is no longer available"),
    code(
        131_062,
        Fail,
        "this kind of message cannot be sent to a business-scoped user id",
    ),
    code(
        132_000,
        Fail,
        "the template takes another number of parameters",
    ),
    code(
        132_001,
        Fail,
        "the template does not exist in this language or is not approved",
    ),
    code(132_005, Fail, "the filled-in template is too long"),
    code(132_007, Fail, "the template violates a policy of WhatsApp"),
    code(
        132_012,
        Fail,
        "a parameter of the template has the wrong format",
    ),
    code(132_015, Fail, "the template is paused for its low quality"),
    code(
        132_016,
        Fail,
        "the template was paused too often and is disabled",
    ),
    code(132_018, Fail, "the template's parameters are not valid"),
    code(132_068, Fail, "the flow is blocked"),
    code(132_069, Fail, "the flow is throttled"),
    code(
        133_000,
        Fail,
        "an earlier attempt to deregister the number failed",
    ),
    code(
        133_004,
        Retry(None),
        "the registration server is unavailable",
    ),
    code(133_005, Fail, "the two-step verification PIN is wrong"),
    code(
        133_006,
        Fail,
        "the number must be verified before it is registered",
    ),
    code(
        133_008,
        Fail,
        "the two-step verification PIN was wrong too often",
    ),
    code(133_009, Fail, "the two-step verification PIN came too fast"),
    code(
        133_010,
        Fail,
        "the number is not registered with the Cloud API",
    ),
    code(
        133_015,
        Retry(Some(300)),
        "the number was deleted a moment ago",
    ),
    code(
        133_016,
        Fail,
        "the number was registered and deregistered too often",
    ),
    code(
        134_011,
        Fail,
        "the terms of WhatsApp's payments are not accepted",
    ),
    code(134_100, Fail, "only marketing templates may be sent there"),
    code(134_101, Fail, "the template is still being synchronised"),
    code(134_102, Fail, "the template cannot be used there"),
    code(
        135_000,
        Fail,
        "the message was not sent for an unknown error in its parameters",
    ),
];

/// The code as Meta documents it.
pub(super) fn known(code: i64) -> Option<&'static Code> {
    match code {
        // "200-299: API Permission"
        200..=299 => known(10),
        _ => CODES.iter().find(|known| known.code == code),
    }
}

/// An error as the Graph API tells it; what identifies it stays, the access token does not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct GraphError {
    /// The HTTP status, 0 in a webhook.
    pub(super) status: u16,
    pub(super) code: Option<i64>,
    pub(super) subcode: Option<i64>,
    pub(super) message: String,
    pub(super) trace: Option<String>,
    /// `Retry-After`.
    pub(super) after: Option<Duration>,
}

impl GraphError {
    /// Reads the `error` of an answer, or one of the `errors` of a webhook.
    pub(super) fn read(error: &Value) -> Self {
        let text = |pointer: &str| error.pointer(pointer).and_then(Value::as_str);
        let message = ["/error_data/details", "/message", "/title"]
            .iter()
            .find_map(|pointer| text(pointer))
            .unwrap_or_default();
        Self {
            status: 0,
            code: error["code"].as_i64(),
            subcode: error["error_subcode"].as_i64(),
            message: message.chars().take(300).collect(),
            trace: text("/fbtrace_id").map(|trace| trace.chars().take(64).collect()),
            after: None,
        }
    }

    /// What to do. Unknown codes are judged by their HTTP status.
    pub(super) fn step(&self) -> Step {
        let known = self.code.and_then(known);
        match (known, self.status) {
            (Some(known), _) => known.step,
            (None, 429) => Retry(None),
            (None, 500..) => Retry(None),
            (None, _) => Fail,
        }
    }

    /// Whether the token is refused.
    pub(super) fn is_about_the_token(&self) -> bool {
        matches!(self.code, Some(0 | 190)) || self.status == 401
    }

    pub(super) fn into_send_error(self) -> SendError {
        let reason = self.to_string();
        match self.step() {
            Retry(seconds) => SendError::Retry {
                after: self.after.or(seconds.map(Duration::from_secs)),
                reason,
            },
            Gone => SendError::Gone { reason },
            Fail | Template => SendError::Fail { reason },
        }
    }
}

impl fmt::Display for GraphError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.code {
            Some(code) => write!(f, "WhatsApp error {code}")?,
            None => write!(f, "WhatsApp answered with HTTP {}", self.status)?,
        }
        if let Some(subcode) = self.subcode {
            write!(f, "/{subcode}")?;
        }
        if let Some(known) = self.code.and_then(known) {
            write!(f, ": {}", known.meaning)?;
        }
        if !self.message.is_empty() {
            write!(f, " ({})", self.message)?;
        }
        if let Some(trace) = &self.trace {
            write!(f, " [fbtrace_id {trace}]")?;
        }
        Ok(())
    }
}

/// Why a call of the Graph API brought nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum CallError {
    /// It never left.
    #[error("WhatsApp cannot be reached: {0}")]
    NotSent(String),
    /// It left, and what became of it is unknown.
    #[error("WhatsApp did not answer: {0}")]
    Unknown(String),
    /// It was refused.
    #[error("{0}")]
    Refused(GraphError),
}

impl CallError {
    /// What it means for a message that the call was to send.
    pub(super) fn into_send_error(self) -> SendError {
        match self {
            Self::NotSent(_) => SendError::Retry {
                after: None,
                reason: self.to_string(),
            },
            Self::Unknown(_) => SendError::Ambiguous {
                reason: self.to_string(),
            },
            Self::Refused(error) => error.into_send_error(),
        }
    }

    /// What it means for a message, when the call itself sent nothing (an upload, a look-up).
    pub(super) fn into_unsent(self) -> SendError {
        match self {
            Self::Unknown(_) => SendError::Retry {
                after: None,
                reason: self.to_string(),
            },
            other => other.into_send_error(),
        }
    }
}
