//! What Discord sends, as far as it is read here (gateway and HTTP API version 10).
//!
//! serenity's own models demand fields that we do not need and know only the kinds of their day: a customer's reply to a
//! message with a component they do not know would be lost. Here what is not read may be anything.

use doorstep_core::Timestamp;
use serde::{Deserialize, Deserializer, de::IgnoredAny};
use serde_json::Value;
use serenity::model::id::{ChannelId, GuildId, InteractionId, MessageId, UserId};

/// One frame of the gateway (<https://discord.com/developers/docs/events/gateway-events#payload-structure>).
#[derive(Debug, Deserialize)]
pub(super) struct Frame {
    pub(super) op: u8,
    #[serde(default)]
    pub(super) d: Value,
    #[serde(default)]
    pub(super) s: Option<u64>,
    #[serde(default)]
    pub(super) t: Option<String>,
}

/// What a dispatch tells.
#[derive(Debug)]
pub(super) enum Event {
    Ready(Ready),
    Message(Box<Message>),
    Edit(Box<Message>),
    Interaction(Box<Interaction>),
    /// A thread or channel was deleted.
    ChannelGone(ChannelId),
    /// Nothing for us.
    Other,
}

impl Event {
    /// Reads the dispatch `name` with its data.
    ///
    /// # Errors
    /// It is one that we know and not of the form that is documented.
    pub(super) fn read(name: &str, data: Value) -> Result<Self, serde_json::Error> {
        fn as_is<T: serde::de::DeserializeOwned>(data: Value) -> Result<T, serde_json::Error> {
            serde_json::from_value(data)
        }
        Ok(match name {
            "READY" => Self::Ready(as_is(data)?),
            "MESSAGE_CREATE" => Self::Message(as_is(data)?),
            "MESSAGE_UPDATE" => Self::Edit(as_is(data)?),
            "INTERACTION_CREATE" => Self::Interaction(as_is(data)?),
            "THREAD_DELETE" | "CHANNEL_DELETE" => Self::ChannelGone(as_is::<Channel>(data)?.id),
            _ => Self::Other,
        })
    }
}

/// The beginning of a session.
#[derive(Debug, Deserialize)]
pub(super) struct Ready {
    pub(super) session_id: String,
    pub(super) resume_gateway_url: String,
    pub(super) user: User,
}

/// Somebody.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct User {
    pub(super) id: UserId,
    #[serde(default)]
    pub(super) username: String,
    #[serde(default)]
    pub(super) global_name: Option<String>,
    #[serde(default)]
    pub(super) bot: bool,
    #[serde(default)]
    pub(super) system: bool,
}

impl User {
    /// The name that others see.
    pub(super) fn shown_name(&self) -> &str {
        self.global_name.as_deref().unwrap_or(&self.username)
    }
}

/// A message, or what changed of one
/// (<https://discord.com/developers/docs/resources/message#message-object>).
#[derive(Debug, Deserialize)]
pub(super) struct Message {
    pub(super) id: MessageId,
    pub(super) channel_id: ChannelId,
    #[serde(default)]
    pub(super) guild_id: Option<GuildId>,
    #[serde(default)]
    pub(super) author: Option<User>,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) content: String,
    #[serde(default, rename = "type")]
    pub(super) kind: u8,
    #[serde(default)]
    pub(super) flags: u64,
    #[serde(default)]
    pub(super) timestamp: Option<Timestamp>,
    #[serde(default)]
    pub(super) edited_timestamp: Option<Timestamp>,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) mentions: Vec<User>,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) attachments: Vec<File>,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) sticker_items: Vec<Sticker>,
    #[serde(default)]
    pub(super) message_reference: Option<Reference>,
    #[serde(default)]
    pub(super) nonce: Option<Value>,
    #[serde(default)]
    pub(super) webhook_id: Option<IgnoredAny>,
}

impl Message {
    /// Message types that a person writes: `DEFAULT` and `REPLY`.
    pub(super) fn is_written(&self) -> bool {
        matches!(self.kind, 0 | 19)
    }

    /// The flag `IS_VOICE_MESSAGE`.
    pub(super) fn is_voice(&self) -> bool {
        self.flags & (1 << 13) != 0
    }
}

/// A file of a message.
#[derive(Debug, Deserialize)]
pub(super) struct File {
    pub(super) id: serenity::model::id::AttachmentId,
    #[serde(default)]
    pub(super) filename: Option<String>,
    #[serde(default)]
    pub(super) content_type: Option<String>,
    #[serde(default)]
    pub(super) size: Option<u64>,
    pub(super) url: String,
}

/// A sticker of a message.
#[derive(Debug, Deserialize)]
pub(super) struct Sticker {
    pub(super) id: serenity::model::id::StickerId,
    #[serde(default)]
    pub(super) name: String,
    #[serde(default)]
    pub(super) format_type: u8,
}

/// The message that another one answers.
#[derive(Debug, Deserialize)]
pub(super) struct Reference {
    #[serde(default)]
    pub(super) message_id: Option<MessageId>,
    /// 0 is a reply, 1 a message passed on.
    #[serde(default, rename = "type")]
    pub(super) kind: u8,
}

/// A slash command, a press, or a ping
/// (<https://discord.com/developers/docs/interactions/receiving-and-responding#interaction-object>).
#[derive(Debug, Deserialize)]
pub(super) struct Interaction {
    pub(super) id: InteractionId,
    #[serde(rename = "type")]
    pub(super) kind: u8,
    #[serde(default)]
    pub(super) token: String,
    #[serde(default)]
    pub(super) guild_id: Option<GuildId>,
    #[serde(default)]
    pub(super) channel_id: Option<ChannelId>,
    #[serde(default)]
    pub(super) member: Option<Member>,
    #[serde(default)]
    pub(super) user: Option<User>,
    #[serde(default)]
    pub(super) locale: Option<String>,
    #[serde(default)]
    pub(super) data: Option<InteractionData>,
    #[serde(default)]
    pub(super) message: Option<MessageStub>,
}

impl Interaction {
    pub(super) const PING: u8 = 1;
    pub(super) const COMMAND: u8 = 2;
    pub(super) const COMPONENT: u8 = 3;
    pub(super) const AUTOCOMPLETE: u8 = 4;

    /// Who did it: the member on a server, the user in direct messages.
    pub(super) fn customer(&self) -> Option<&User> {
        let member = self.member.as_ref().map(|member| &member.user);
        member.or(self.user.as_ref())
    }
}

/// Somebody on a server.
#[derive(Debug, Deserialize)]
pub(super) struct Member {
    pub(super) user: User,
}

/// A message of which only the identifier matters, and what could be pressed there.
#[derive(Debug, Deserialize)]
pub(super) struct MessageStub {
    pub(super) id: MessageId,
    #[serde(default)]
    pub(super) components: Value,
}

impl MessageStub {
    /// What is written on the button, or on the choice of a menu, with this identifier.
    pub(super) fn label_of(&self, custom_id: &str) -> Option<&str> {
        find_label(&self.components, custom_id)
    }
}

/// Rows may lie in containers, and those in others; serde_json reads no more than 128 levels.
fn find_label<'a>(value: &'a Value, custom_id: &str) -> Option<&'a str> {
    let text = |key: &str| value.get(key).and_then(Value::as_str);
    if text("custom_id") == Some(custom_id) || text("value") == Some(custom_id) {
        return text("label");
    }
    let own = value.as_array().into_iter();
    let inner = ["components", "options"].into_iter();
    let inner = inner.filter_map(|key| value.get(key)?.as_array());
    own.chain(inner)
        .flatten()
        .find_map(|child| find_label(child, custom_id))
}

/// What was chosen.
#[derive(Debug, Deserialize)]
pub(super) struct InteractionData {
    #[serde(default)]
    pub(super) name: Option<String>,
    #[serde(default)]
    pub(super) custom_id: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) values: Vec<String>,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) options: Vec<CommandOption>,
}

/// What was written into an option of a command.
#[derive(Debug, Deserialize)]
pub(super) struct CommandOption {
    #[serde(default)]
    pub(super) value: Value,
}

/// A channel or thread.
#[derive(Debug, Deserialize)]
pub(super) struct Channel {
    pub(super) id: ChannelId,
    #[serde(default, rename = "type")]
    pub(super) kind: u8,
    #[serde(default)]
    pub(super) guild_id: Option<GuildId>,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) permission_overwrites: Vec<Overwrite>,
}

/// What a channel gives or takes of a role's or member's permissions.
#[derive(Debug, Deserialize)]
pub(super) struct Overwrite {
    pub(super) id: String,
    #[serde(default)]
    pub(super) allow: String,
    #[serde(default)]
    pub(super) deny: String,
}

/// The answer of `GET /gateway/bot`.
#[derive(Debug, Deserialize)]
pub(super) struct Gateway {
    pub(super) url: String,
    pub(super) session_start_limit: SessionStartLimit,
}

/// How many sessions may still be begun.
#[derive(Debug, Deserialize)]
pub(super) struct SessionStartLimit {
    pub(super) remaining: u64,
    /// Milliseconds.
    pub(super) reset_after: u64,
}

/// `null` as if it were not there.
fn or_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}
