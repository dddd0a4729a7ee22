//! What Telegram tells, as far as it matters here. <https://core.telegram.org/bots/api#update>
//!
//! Read leniently on purpose, and not with teloxide's types: those refuse a whole message for one part that is newer than
//! they are, and a customer's words would be lost for a new kind of formatting. Here a part that is not understood is as
//! good as missing. The tests hold these names against the published description and against teloxide.

use serde::{Deserialize, Deserializer, de::DeserializeOwned};
use serde_json::Value;

/// The kinds of update that are understood.
pub(super) const KINDS: [&str; 4] = [
    "message",
    "edited_message",
    "callback_query",
    "my_chat_member",
];

/// One thing that happened.
#[derive(Debug)]
pub(super) struct Update {
    pub(super) id: i64,
    pub(super) kind: Kind,
}

/// What happened.
#[derive(Debug)]
pub(super) enum Kind {
    Message(Box<Message>),
    Edited(Box<Message>),
    Press(Box<Press>),
    Membership(Membership),
    /// Something else, or not as we know it.
    Other,
}

/// Why an update could not be read at all.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NotAnUpdate {
    /// It is no JSON object.
    NotJson,
    /// It has no `update_id`.
    WithoutId,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Message {
    pub(super) message_id: i64,
    pub(super) date: i64,
    #[serde(deserialize_with = "lenient")]
    pub(super) edit_date: Option<i64>,
    pub(super) chat: Chat,
    #[serde(deserialize_with = "lenient")]
    pub(super) from: Option<User>,
    #[serde(deserialize_with = "lenient")]
    pub(super) message_thread_id: Option<i32>,
    #[serde(deserialize_with = "lenient")]
    pub(super) is_topic_message: Option<bool>,
    #[serde(deserialize_with = "lenient")]
    pub(super) media_group_id: Option<String>,
    #[serde(deserialize_with = "lenient")]
    pub(super) reply_to_message: Option<Box<Replied>>,
    #[serde(deserialize_with = "lenient")]
    pub(super) text: Option<String>,
    #[serde(deserialize_with = "lenient_list")]
    pub(super) entities: Vec<Entity>,
    #[serde(deserialize_with = "lenient")]
    pub(super) caption: Option<String>,
    #[serde(deserialize_with = "lenient_list")]
    pub(super) caption_entities: Vec<Entity>,
    #[serde(deserialize_with = "lenient_list")]
    pub(super) photo: Vec<PhotoSize>,
    #[serde(deserialize_with = "lenient")]
    pub(super) document: Option<File>,
    #[serde(deserialize_with = "lenient")]
    pub(super) voice: Option<File>,
    #[serde(deserialize_with = "lenient")]
    pub(super) audio: Option<File>,
    #[serde(deserialize_with = "lenient")]
    pub(super) video: Option<File>,
    #[serde(deserialize_with = "lenient")]
    pub(super) video_note: Option<File>,
    #[serde(deserialize_with = "lenient")]
    pub(super) animation: Option<File>,
    #[serde(deserialize_with = "lenient")]
    pub(super) sticker: Option<File>,
    #[serde(deserialize_with = "lenient")]
    pub(super) location: Option<Location>,
    #[serde(deserialize_with = "lenient")]
    pub(super) venue: Option<Venue>,
    #[serde(deserialize_with = "lenient")]
    pub(super) contact: Option<Contact>,
    #[serde(deserialize_with = "lenient")]
    pub(super) dice: Option<Dice>,
    #[serde(deserialize_with = "lenient")]
    pub(super) poll: Option<Poll>,
    #[serde(deserialize_with = "lenient")]
    pub(super) reply_markup: Option<Keyboard>,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Chat {
    pub(super) id: i64,
    #[serde(default, rename = "type")]
    pub(super) kind: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct User {
    pub(super) id: i64,
    #[serde(default)]
    pub(super) is_bot: bool,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) language_code: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Replied {
    pub(super) message_id: i64,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) from: Option<User>,
}

/// A part of a text with a meaning. Offset and length count UTF-16 code units.
#[derive(Debug, Deserialize)]
pub(super) struct Entity {
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) offset: i64,
    pub(super) length: i64,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) user: Option<User>,
}

#[derive(Debug, Deserialize)]
pub(super) struct PhotoSize {
    pub(super) file_id: String,
    #[serde(default)]
    pub(super) width: i64,
    #[serde(default)]
    pub(super) height: i64,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) file_size: Option<u64>,
}

/// Document, voice note, audio, video, animation and sticker, as far as they are alike.
#[derive(Debug, Deserialize)]
pub(super) struct File {
    pub(super) file_id: String,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) file_name: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) mime_type: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) file_size: Option<u64>,
    /// What a sticker stands for.
    #[serde(default, deserialize_with = "lenient")]
    pub(super) emoji: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Location {
    pub(super) latitude: f64,
    pub(super) longitude: f64,
}

#[derive(Debug, Deserialize)]
pub(super) struct Venue {
    pub(super) title: String,
    #[serde(default)]
    pub(super) address: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct Contact {
    pub(super) phone_number: String,
    pub(super) first_name: String,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) last_name: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Dice {
    pub(super) emoji: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct Poll {
    pub(super) question: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct Keyboard {
    pub(super) inline_keyboard: Vec<Vec<Key>>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Key {
    pub(super) text: String,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) callback_data: Option<String>,
}

/// A pressed button. <https://core.telegram.org/bots/api#callbackquery>
#[derive(Debug, Deserialize)]
pub(super) struct Press {
    pub(super) id: String,
    pub(super) from: User,
    /// The message it is on. An old one has lost all but chat and identifier.
    #[serde(default, deserialize_with = "lenient")]
    pub(super) message: Option<Box<Message>>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) data: Option<String>,
}

/// What became of the bot in a chat. <https://core.telegram.org/bots/api#chatmemberupdated>
#[derive(Debug, Deserialize)]
pub(super) struct Membership {
    pub(super) chat: Chat,
    pub(super) new_chat_member: Member,
}

#[derive(Debug, Deserialize)]
pub(super) struct Member {
    pub(super) status: String,
}

impl Update {
    /// Reads an update from the bytes of a webhook.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, NotAnUpdate> {
        let value = serde_json::from_slice(bytes).map_err(|_| NotAnUpdate::NotJson)?;
        Self::read(value)
    }

    /// Reads an update.
    pub(super) fn read(value: Value) -> Result<Self, NotAnUpdate> {
        let Value::Object(mut fields) = value else {
            return Err(NotAnUpdate::NotJson);
        };
        let id = fields.remove("update_id").and_then(|id| id.as_i64());
        let id = id.ok_or(NotAnUpdate::WithoutId)?;
        let mut known = KINDS.into_iter();
        let name = known.find(|kind| fields.contains_key(*kind));
        let name = name.unwrap_or_default();
        let value = fields.remove(name).unwrap_or_default();
        let kind = match name {
            "message" => read(value).map(|message| Kind::Message(Box::new(message))),
            "edited_message" => read(value).map(|message| Kind::Edited(Box::new(message))),
            "callback_query" => read(value).map(|press| Kind::Press(Box::new(press))),
            "my_chat_member" => read(value).map(Kind::Membership),
            _ => None,
        };
        let kind = kind.unwrap_or(Kind::Other);
        Ok(Self { id, kind })
    }
}

fn read<T: DeserializeOwned>(value: Value) -> Option<T> {
    serde_json::from_value(value).ok()
}

/// A part that is missing, or not as we know it: both are nothing.
fn lenient<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned,
{
    Value::deserialize(deserializer).map(read)
}

/// The members of a list that are as we know them.
fn lenient_list<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned,
{
    let members = match Value::deserialize(deserializer)? {
        Value::Array(members) => members,
        _ => Vec::new(),
    };
    Ok(members.into_iter().filter_map(read).collect())
}
