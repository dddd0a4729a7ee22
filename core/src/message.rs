//! What customers write and what we answer.

use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use crate::{
    ChannelName, ConversationId, InboundMessageId, Language, OutboundMessageId, Timestamp,
    attachment::Attachment, customer::Proof, mask::mask_card_numbers,
};

/// A customer's place on a channel: a visitor of the web chat, a mailbox, a Telegram chat.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Address {
    /// The configured channel.
    pub channel: ChannelName,
    /// The provider's identifier there: visitor id, mailbox, chat id.
    pub id: String,
}

impl Address {
    /// The place `id` on `channel`.
    pub fn new(channel: impl Into<ChannelName>, id: impl Into<String>) -> Self {
        Self {
            channel: channel.into(),
            id: id.into(),
        }
    }
}

/// A message as a channel hands it in, before it is stored. (channel, external id) makes it unique: a provider that
/// delivers it again is answered as before and nothing happens twice (G2).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InboundMessage {
    /// Who wrote, where.
    pub from: Address,
    /// The provider's identifier of the message, unique per channel (for the web chat: visitor and client id).
    pub external_id: String,
    /// The text as written; card numbers are masked at admission, here and in what else the customer wrote (G9).
    pub text: String,
    /// The value of a pressed button, when the message is a press.
    pub button: Option<String>,
    /// When the provider says it was written; our clock when it does not say.
    pub sent_at: Timestamp,
    /// The language the channel knows of (browser, profile); the text decides first.
    pub language_hint: Option<Language>,
    /// Where the sender's device is by the clock, on channels that tell it.
    #[serde(default)]
    pub time_zone: Option<Tz>,
    /// Who the sender was proven to be, by the channel's own means.
    #[serde(default)]
    pub proof: Option<Proof>,
    /// Subject line, on channels that have one (e-mail).
    #[serde(default)]
    pub subject: Option<String>,
    /// Files that came with it.
    #[serde(default)]
    pub attachments: Vec<Attachment>,
    /// [`Self::external_id`] of the earlier message that the customer changed into this one.
    #[serde(default)]
    pub edits: Option<String>,
    /// The provider's identifier of our message that this one answers or whose button was pressed.
    #[serde(default)]
    pub answers: Option<String>,
    /// A link token that the customer brought from another channel: who they are there.
    #[serde(default)]
    pub link: Option<String>,
    /// The customer began another matter (a new subject line): what the dialogue remembers no longer counts.
    #[serde(default)]
    pub new_topic: bool,
}

impl InboundMessage {
    /// A message of text alone.
    pub fn text(
        from: Address,
        external_id: impl Into<String>,
        text: impl Into<String>,
        sent_at: Timestamp,
    ) -> Self {
        Self {
            from,
            external_id: external_id.into(),
            text: text.into(),
            button: None,
            sent_at,
            language_hint: None,
            time_zone: None,
            proof: None,
            subject: None,
            attachments: Vec::new(),
            edits: None,
            answers: None,
            link: None,
            new_topic: false,
        }
    }

    /// The same as it may be stored: payment card numbers are masked in all that the customer wrote, which is text, pressed
    /// button, subject line and names of files (G9). NUL is left out: PostgreSQL takes it in no text, and what comes in order
    /// would wait behind that message for ever.
    pub fn storable(self) -> Self {
        let files = self.attachments.into_iter();
        Self {
            text: storable(&self.text),
            button: self.button.as_deref().map(storable),
            subject: self.subject.as_deref().map(storable),
            attachments: files.map(Attachment::storable).collect(),
            ..self
        }
    }
}

/// What somebody wrote, as it may be stored: see [`InboundMessage::storable`].
pub(crate) fn storable(text: &str) -> String {
    // In this order: without it, digits may be neighbours that were none.
    mask_card_numbers(&text.replace('\0', "")).into_owned()
}

/// What became of a message handed to [`crate::channel::Inbox::admit`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admission {
    /// Our identifier of the message.
    pub id: InboundMessageId,
    /// The conversation it belongs to.
    pub conversation: ConversationId,
    /// Its place among all entries of the conversation, from 1, without gaps.
    pub position: i64,
    /// Whether the same message had been admitted before.
    pub duplicate: bool,
}

/// A message that we send, independent of any channel; a channel shows as much of it as its capabilities allow.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OutboundMessage {
    /// Our identifier; providers that take an idempotency key get it.
    pub id: OutboundMessageId,
    /// What is said.
    pub content: Content,
    /// The language of `content`.
    pub language: Language,
    /// The message this one answers; `None` when we write first.
    pub in_reply_to: Option<InboundMessageId>,
    /// What was said before it there, as far as a channel needs it to send.
    #[serde(default, skip_serializing_if = "Thread::is_empty")]
    pub thread: Thread,
}

impl OutboundMessage {
    /// Whether we write first.
    pub fn is_news(&self) -> bool {
        self.in_reply_to.is_none()
    }
}

/// What was said before a message at its address: providers thread by it (e-mail) and limit what may be sent (WhatsApp's
/// window).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Thread {
    /// [`InboundMessage::external_id`] of the message that is answered, or of the customer's last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answers: Option<String>,
    /// Subject line of that message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// When the customer last wrote there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_inbound_at: Option<Timestamp>,
}

impl Thread {
    /// Whether nothing was said before.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// The content of an outbound message.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Content {
    /// Subject line, for channels that have one (e-mail).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// Plain text, complete on its own.
    pub text: String,
    /// Choices to press.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub buttons: Vec<Button>,
    /// Product cards.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cards: Vec<Card>,
    /// Pictures.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub images: Vec<Image>,
    /// The template that the provider approved for this text, where one is needed to write first (WhatsApp).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approved: Option<Box<ApprovedTemplate>>,
    /// Where to stop such messages with one click or choose among them: a page that also takes RFC 8058's POST. Only
    /// messages that can be stopped have one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unsubscribe: Option<String>,
    /// A finished HTML rendering, for channels that show HTML (e-mail).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub html: Option<String>,
    /// Where the facts in it come from: ports and passages (G4).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<FactSource>,
}

impl Content {
    /// A message of text alone.
    pub fn text(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            ..Self::default()
        }
    }
}

/// A choice to press.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Button {
    /// What it says.
    pub label: String,
    /// What comes back as [`InboundMessage::button`].
    pub value: String,
}

/// A picture in a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Image {
    /// Its address, which the provider or the customer's program can read.
    pub url: String,
    /// What it shows, for those who cannot see it.
    pub alt: String,
}

/// A template as a provider approved it, filled in. Its words are the provider's copy of the message's text.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApprovedTemplate {
    /// Its name at the provider.
    pub name: String,
    /// Its language there (`en`, `pt_BR`).
    pub language: String,
    /// What fills its header, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub header: Vec<String>,
    /// What fills its body, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub body: Vec<String>,
    /// What fills the addresses of its buttons, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub buttons: Vec<String>,
}

/// A product as a channel shows it. Price and stock were looked up when the message was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Card {
    /// Product title.
    pub title: String,
    /// A line below it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subtitle: Option<String>,
    /// Image address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// Formatted price.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<String>,
    /// Formatted availability.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stock: Option<String>,
    /// Product page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Choices to press.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub buttons: Vec<Button>,
}

/// Where a fact was looked up (G4).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FactSource {
    /// The port or document: `shop:demo`, `policy:returns.en.md#refunds`.
    pub name: String,
    /// When it was looked up.
    pub as_of: Timestamp,
}

/// One entry of a conversation as its mailbox holds it, in either direction.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MailboxEntry {
    /// Place in the conversation, from 1, without gaps.
    pub position: i64,
    /// When it was stored.
    pub at: Timestamp,
    /// What it is.
    pub message: MailboxMessage,
}

/// Either direction of a [`MailboxEntry`].
// Nearly all are `Outbound`: a box would only cost an allocation for each.
#[allow(clippy::large_enum_variant)]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum MailboxMessage {
    /// The customer's own message.
    Inbound {
        /// Our identifier.
        id: InboundMessageId,
        /// The identifier the channel gave it.
        external_id: String,
        /// Masked text.
        text: String,
    },
    /// One of ours.
    Outbound {
        /// The message.
        message: OutboundMessage,
        /// [`InboundMessage::external_id`] of the message it answers.
        answers: Option<String>,
    },
}
