//! Where a message goes: a chat, and a topic of it where there is one.

use std::fmt;

use doorstep_core::message::Address;
use teloxide_core::types::{ChatId, MessageId, Recipient, ThreadId};

use super::NAME;

/// `123`, `-100123:7`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Place {
    pub(super) chat: i64,
    pub(super) topic: Option<i32>,
}

impl Place {
    /// Reads an address's identifier.
    pub(super) fn parse(id: &str) -> Option<Self> {
        let (chat, topic) = match id.split_once(':') {
            Some((chat, topic)) => (chat, Some(topic.parse().ok().filter(|topic| *topic > 0)?)),
            None => (id, None),
        };
        let chat = chat.parse().ok().filter(|chat| *chat != 0)?;
        let place = Self { chat, topic };
        // Only what we write ourselves: no `+1`, no `007`.
        (place.to_string() == id).then_some(place)
    }

    pub(super) fn address(&self) -> Address {
        Address::new(NAME, self.to_string())
    }

    pub(super) fn recipient(&self) -> Recipient {
        Recipient::Id(ChatId(self.chat))
    }

    pub(super) fn thread(&self) -> Option<ThreadId> {
        self.topic.map(|topic| ThreadId(MessageId(topic)))
    }

    /// Whether several people read there: Telegram's groups have negative identifiers.
    pub(super) fn is_group(&self) -> bool {
        self.chat < 0
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.topic {
            Some(topic) => write!(f, "{}:{topic}", self.chat),
            None => write!(f, "{}", self.chat),
        }
    }
}

/// The identifier of a message in a chat, as receipts and inbound messages carry it.
pub(super) fn message_name(chat: i64, message: i64) -> String {
    format!("{chat}:{message}")
}

/// Reads [`message_name`].
pub(super) fn parse_message_name(name: &str) -> Option<(i64, i32)> {
    let (chat, message) = name.split_once(':')?;
    Some((chat.parse().ok()?, message.parse().ok()?))
}
