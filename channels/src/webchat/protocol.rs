//! The frames, both ways. All are JSON objects in text; `docs/channels/webchat.md` is their specification.

use doorstep_core::{
    Entropy, Language, Timestamp,
    message::{Button, Card, Image, MailboxEntry, MailboxMessage},
};
use serde::{Deserialize, Serialize};

use super::{
    error::WebChatError,
    token::{VisitorId, to_json},
};

const MAX_ID_CHARS: usize = 64;
const MAX_BUTTON_CHARS: usize = 1000;

/// What a client may send.
#[derive(Debug, PartialEq)]
pub(super) enum ClientFrame {
    /// A message.
    Write(Written),
    /// Everything up to this position was shown.
    Read {
        /// The position.
        position: i64,
    },
    /// The visitor types.
    Typing,
}

/// A message as the client sent it.
#[derive(Debug, PartialEq)]
pub(super) struct Written {
    /// The client's own identifier, with which it may send the message again.
    pub(super) id: Option<String>,
    pub(super) text: String,
    pub(super) button: Option<String>,
    /// What the client says its time zone is.
    pub(super) time_zone: Option<String>,
}

/// Why a frame was refused, and which message it was.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) id: Option<String>,
    pub(super) error: WebChatError,
}

impl Refusal {
    pub(super) fn frame(&self) -> String {
        self.error.frame_for(self.id.as_deref())
    }
}

#[derive(Deserialize)]
struct RawFrame {
    #[serde(rename = "type")]
    kind: Option<String>,
    id: Option<String>,
    text: Option<String>,
    button: Option<String>,
    position: Option<i64>,
    /// A message is not refused for what a browser says of its clock, whatever that is.
    time_zone: Option<serde_json::Value>,
}

/// Reads a client's frame.
pub(super) fn parse(
    frame: &[u8],
    max_bytes: usize,
    max_chars: usize,
) -> Result<ClientFrame, Refusal> {
    let anonymous = |error| Refusal { id: None, error };
    if frame.len() > max_bytes {
        return Err(anonymous(WebChatError::TooLarge {
            found: frame.len(),
            allowed: max_bytes,
            unit: "bytes",
        }));
    }
    let raw: RawFrame = serde_json::from_slice(frame).map_err(|error| {
        let error: String = error.to_string().chars().take(160).collect();
        anonymous(invalid(format!(
            r#"The frame is not understood: {error}. Send {{"text": "…"}}."#
        )))
    })?;
    let id = raw.id.clone().filter(|id| is_id(id));
    if raw.id.is_some() && id.is_none() {
        return Err(anonymous(invalid(format!(
            "`id` must be 1 to {MAX_ID_CHARS} printable characters."
        ))));
    }
    match raw.kind.as_deref() {
        None | Some("message") => written(raw, max_chars),
        Some("read") => match raw.position {
            Some(position) if position > 0 => Ok(ClientFrame::Read { position }),
            _ => Err(invalid(
                "A `read` frame needs the `position` of a message, a number from 1 up.",
            )),
        },
        Some("typing") => Ok(ClientFrame::Typing),
        Some(other) => {
            let other: String = other.chars().take(40).collect();
            Err(invalid(format!(
                r#"Frames of type "{other}" are not known here; "message", "read" and "typing" are."#
            )))
        }
    }
    .map_err(|error| Refusal { id, error })
}

fn written(raw: RawFrame, max_chars: usize) -> Result<ClientFrame, WebChatError> {
    let text = raw.text.unwrap_or_default();
    let found = text.chars().count();
    if found > max_chars {
        return Err(WebChatError::TooLarge {
            found,
            allowed: max_chars,
            unit: "characters",
        });
    }
    let text = cleaned(&text);
    if text.is_empty() && raw.button.is_none() {
        return Err(invalid("A message needs a `text`."));
    }
    if raw.button.as_deref().is_some_and(|value| !is_button(value)) {
        return Err(invalid(format!(
            "`button` must be the value of a button: 1 to {MAX_BUTTON_CHARS} printable characters."
        )));
    }
    Ok(ClientFrame::Write(Written {
        id: raw.id,
        text,
        button: raw.button,
        time_zone: raw
            .time_zone
            .and_then(|zone| zone.as_str().map(str::to_owned)),
    }))
}

fn is_id(id: &str) -> bool {
    !id.is_empty() && id.chars().count() <= MAX_ID_CHARS && !id.contains(char::is_control)
}

fn is_button(value: &str) -> bool {
    !value.is_empty()
        && value.chars().count() <= MAX_BUTTON_CHARS
        && !value.contains(char::is_control)
}

/// The text without the control characters that no keyboard types and PostgreSQL partly refuses (NUL).
fn cleaned(text: &str) -> String {
    let kept = |c: &char| !c.is_control() || matches!(c, '\n' | '\t');
    let text: String = text.chars().filter(kept).collect();
    text.trim().to_owned()
}

fn invalid(reason: impl Into<String>) -> WebChatError {
    WebChatError::Invalid {
        reason: reason.into(),
    }
}

/// The channel-wide identifier of the message that `visitor` calls `id`.
pub(super) fn external_id(visitor: VisitorId, id: &str) -> String {
    format!("{visitor}:{id}")
}

/// A channel-wide identifier for a message that its visitor gave none; never the same as one of [`external_id`].
pub(super) fn random_external_id(visitor: VisitorId, entropy: &dyn Entropy) -> String {
    format!("{visitor}~{}", VisitorId::new(entropy))
}

/// What the client called the message, if it called it anything.
fn client_id(visitor: VisitorId, external_id: &str) -> Option<&str> {
    external_id
        .strip_prefix(visitor.to_string().as_str())?
        .strip_prefix(':')
}

/// What we send.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum ServerFrame<'a> {
    Message(MessageFrame<'a>),
    Typing {
        on: bool,
    },
    Receipt {
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<&'a str>,
        status: &'static str,
        position: i64,
    },
    Error {
        code: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<&'a str>,
        text: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        retry_after: Option<u64>,
    },
}

impl ServerFrame<'_> {
    pub(super) fn render(&self) -> String {
        to_json(self)
    }
}

/// A message in either direction.
#[derive(Serialize)]
pub(super) struct MessageFrame<'a> {
    id: String,
    position: i64,
    from: &'static str,
    text: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    in_reply_to: Option<&'a str>,
    buttons: &'a [Button],
    cards: &'a [Card],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    images: &'a [Image],
    at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    language: Option<&'a Language>,
    proactive: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_id: Option<&'a str>,
}

impl<'a> MessageFrame<'a> {
    pub(super) fn new(entry: &'a MailboxEntry, visitor: VisitorId) -> Self {
        match &entry.message {
            MailboxMessage::Inbound {
                id,
                external_id,
                text,
            } => Self {
                id: id.to_string(),
                position: entry.position,
                from: "customer",
                text,
                in_reply_to: None,
                buttons: &[],
                cards: &[],
                images: &[],
                at: entry.at,
                language: None,
                proactive: false,
                client_id: client_id(visitor, external_id),
            },
            MailboxMessage::Outbound { message, answers } => Self {
                id: message.id.to_string(),
                position: entry.position,
                from: "shop",
                text: &message.content.text,
                in_reply_to: answers.as_deref().and_then(|id| client_id(visitor, id)),
                buttons: &message.content.buttons,
                cards: &message.content.cards,
                images: &message.content.images,
                at: entry.at,
                language: Some(&message.language),
                proactive: message.in_reply_to.is_none(),
                client_id: None,
            },
        }
    }
}

/// The answer to a poll.
#[derive(Serialize)]
pub(super) struct PollAnswer<'a> {
    messages: Vec<ServerFrame<'a>>,
    position: i64,
}

impl<'a> PollAnswer<'a> {
    pub(super) fn new(after: i64, entries: &'a [MailboxEntry], visitor: VisitorId) -> Self {
        Self {
            position: entries.last().map_or(after, |entry| entry.position),
            messages: entries
                .iter()
                .map(|entry| ServerFrame::Message(MessageFrame::new(entry, visitor)))
                .collect(),
        }
    }

    pub(super) fn render(&self) -> String {
        to_json(self)
    }
}
