//! What customers do, as our messages.

use chrono::DateTime;
use doorstep_core::{
    Language, Timestamp,
    attachment::{Attachment, AttachmentKind, AttachmentPlace},
    channel::{ReceiptStatus, ReceiptUpdate},
    message::InboundMessage,
};
use serde_json::Value;
use serenity::{
    builder::{
        CreateAllowedMentions, CreateAutocompleteResponse, CreateInteractionResponse,
        CreateInteractionResponseMessage,
    },
    model::id::{InteractionId, UserId},
};

use super::{
    Discord,
    address::Place,
    files,
    places::PlaceError,
    render::{message_of_nonce, pressed_value},
    wire::{Interaction, InteractionData, Message},
    words::{self, Said},
};

/// The first second of 2015, from which Discord's identifiers count milliseconds.
const EPOCH: i64 = 1_420_070_400_000;

/// What a message of the gateway is to us.
pub(super) enum Reading {
    /// A customer wrote.
    Inbound(Box<InboundMessage>),
    /// One of ours was posted.
    Receipt(ReceiptUpdate),
    /// A customer wrote in their thread, and we may not read it.
    Unreadable(Place),
    /// Nothing for us.
    Nothing,
}

/// What an interaction is to us.
pub(super) struct Taken {
    /// What Discord is told within three seconds.
    pub(super) response: CreateInteractionResponse,
    /// What the customer said by it.
    pub(super) message: Option<InboundMessage>,
    /// Where the answer takes the place of the acknowledgement.
    pub(super) answered_at: Option<Place>,
}

impl Taken {
    fn only(response: CreateInteractionResponse) -> Self {
        Self {
            response,
            message: None,
            answered_at: None,
        }
    }
}

impl Discord {
    /// A new message. On a server only those are read that mention the bot or are in their customer's thread.
    ///
    /// # Errors
    /// Its place could not be found or made: the message is to be read again.
    pub(super) async fn read_message(
        &self,
        message: &Message,
        me: UserId,
    ) -> Result<Reading, PlaceError> {
        let Some(author) = message.author.as_ref() else {
            return Ok(Reading::Nothing);
        };
        if author.id == me {
            return Ok(self.read_own(message));
        }
        if author.bot || author.system || message.webhook_id.is_some() || !message.is_written() {
            return Ok(Reading::Nothing);
        }
        let place = if message.guild_id.is_none() {
            self.places.learn_dm(author.id, message.channel_id);
            Place::Dm(author.id)
        } else {
            match self.places.customer_of(message.channel_id).await? {
                Some(customer) if customer == author.id => Place::Thread {
                    channel: message.channel_id,
                    customer,
                },
                // The shop's own people write along.
                Some(_) => return Ok(Reading::Nothing),
                None if mentions(message, me) => self.places.open(author, &self.rest).await?,
                None => return Ok(Reading::Nothing),
            }
        };
        Ok(self.read_written(message, me, place))
    }

    /// A message that its author changed. What Discord adds to messages itself (previews of links) is no change.
    ///
    /// # Errors
    /// The store is away.
    pub(super) async fn read_edit(
        &self,
        message: &Message,
        me: UserId,
    ) -> Result<Reading, PlaceError> {
        let (Some(author), Some(at)) = (&message.author, message.edited_timestamp) else {
            return Ok(Reading::Nothing);
        };
        if author.id == me || author.bot || message.webhook_id.is_some() || !message.is_written() {
            return Ok(Reading::Nothing);
        }
        let place = match message.guild_id {
            None => Place::Dm(author.id),
            Some(_) => match self.places.customer_of(message.channel_id).await? {
                Some(customer) if customer == author.id => Place::Thread {
                    channel: message.channel_id,
                    customer,
                },
                // The message that opened a thread.
                None if mentions(message, me) => self.places.open(author, &self.rest).await?,
                _ => return Ok(Reading::Nothing),
            },
        };
        Ok(match self.read_written(message, me, place) {
            Reading::Inbound(mut inbound) => {
                inbound.edits = Some(inbound.external_id);
                inbound.external_id = format!("{}:{}", message.id, at.timestamp_millis());
                inbound.sent_at = at;
                Reading::Inbound(inbound)
            }
            // It was said before that we cannot read there.
            _ => Reading::Nothing,
        })
    }

    fn read_written(&self, message: &Message, me: UserId, place: Place) -> Reading {
        let text = text_of(message, me);
        let attachments = attachments_of(message);
        if text.is_empty() && attachments.is_empty() {
            let hidden = matches!(place, Place::Thread { .. }) && !mentions(message, me);
            return match hidden {
                true => Reading::Unreadable(place),
                false => Reading::Nothing,
            };
        }
        let sent_at = message.timestamp.unwrap_or_else(|| self.ambient.now());
        let from = place.address(&self.name);
        let mut inbound = InboundMessage::text(from, message.id.to_string(), text, sent_at);
        inbound.attachments = attachments;
        let reply = message.message_reference.as_ref();
        let reply = reply.filter(|reference| reference.kind == 0);
        inbound.answers = reply.and_then(|reply| Some(reply.message_id?.to_string()));
        Reading::Inbound(Box::new(inbound))
    }

    fn read_own(&self, message: &Message) -> Reading {
        let nonce = message.nonce.as_ref().and_then(Value::as_str);
        let Some(ours) = nonce.and_then(message_of_nonce) else {
            return Reading::Nothing;
        };
        Reading::Receipt(ReceiptUpdate {
            provider_id: Some(message.id.to_string()),
            message: Some(ours),
            status: ReceiptStatus::Sent,
            at: message.timestamp.unwrap_or_else(|| self.ambient.now()),
        })
    }

    /// An interaction, whichever road it came.
    ///
    /// # Errors
    /// Its place could not be found or made.
    pub(super) async fn read_interaction(
        &self,
        interaction: &Interaction,
    ) -> Result<Taken, PlaceError> {
        let language = language_of(interaction);
        let (data, customer) = match (interaction.kind, &interaction.data, interaction.customer()) {
            (Interaction::PING, ..) => return Ok(Taken::only(CreateInteractionResponse::Pong)),
            (Interaction::AUTOCOMPLETE, ..) => {
                let none = CreateAutocompleteResponse::new();
                return Ok(Taken::only(CreateInteractionResponse::Autocomplete(none)));
            }
            (Interaction::COMMAND | Interaction::COMPONENT, Some(data), Some(customer)) => {
                (data, customer)
            }
            _ => {
                return Ok(Taken::only(whispered(words::say(
                    &words::TRY_AGAIN,
                    language.as_ref(),
                ))));
            }
        };
        let (place, here) = match (interaction.guild_id, interaction.channel_id) {
            (None, channel) => {
                if let Some(channel) = channel {
                    self.places.learn_dm(customer.id, channel);
                }
                (Place::Dm(customer.id), true)
            }
            (Some(_), Some(channel))
                if self.places.customer_of(channel).await? == Some(customer.id) =>
            {
                let customer = customer.id;
                (Place::Thread { channel, customer }, true)
            }
            _ => (self.places.open(customer, &self.rest).await?, false),
        };
        let sent_at = sent_at(interaction.id);
        let external_id = format!("interaction:{}", interaction.id);
        let from = place.address(&self.name);
        let mut message = InboundMessage::text(from, external_id, "", sent_at);
        message.language_hint = language.clone();
        if interaction.kind == Interaction::COMPONENT {
            let Some((label, value)) = pressed(interaction, data) else {
                return Ok(Taken::only(CreateInteractionResponse::Acknowledge));
            };
            message.text = label;
            message.button = Some(value);
            message.answers = interaction
                .message
                .as_ref()
                .map(|shown| shown.id.to_string());
            return Ok(Taken {
                response: CreateInteractionResponse::Acknowledge,
                message: Some(message),
                answered_at: None,
            });
        }
        match said(data, language.as_ref()) {
            Said::Text(text) => message.text = text,
            Said::Link(token) => message.link = Some(token),
        }
        let response = if here {
            CreateInteractionResponse::Defer(CreateInteractionResponseMessage::new())
        } else {
            whispered(&continued(place, language.as_ref()))
        };
        Ok(Taken {
            response,
            message: Some(message),
            answered_at: here.then_some(place),
        })
    }
}

/// What only the customer sees who used a command among others.
pub(super) fn whispered(text: &str) -> CreateInteractionResponse {
    let message = CreateInteractionResponseMessage::new()
        .content(text)
        .allowed_mentions(CreateAllowedMentions::new())
        .ephemeral(true);
    CreateInteractionResponse::Message(message)
}

fn continued(place: Place, language: Option<&Language>) -> String {
    match place {
        Place::Dm(_) => words::say(&words::BY_DIRECT_MESSAGE, language).to_owned(),
        Place::Thread { channel, .. } => {
            format!("{} <#{channel}>", words::say(&words::CONTINUED, language))
        }
    }
}

pub(super) fn language_of(interaction: &Interaction) -> Option<Language> {
    interaction
        .locale
        .as_deref()
        .and_then(|tag| tag.parse().ok())
}

/// The label and the value of what was pressed or chosen.
fn pressed(interaction: &Interaction, data: &InteractionData) -> Option<(String, String)> {
    let id = data.values.first().or(data.custom_id.as_ref())?;
    let value = pressed_value(id)?;
    let label = interaction
        .message
        .as_ref()
        .and_then(|shown| shown.label_of(id));
    Some((label.unwrap_or(value).to_owned(), value.to_owned()))
}

fn said(data: &InteractionData, language: Option<&Language>) -> Said {
    let value = data.options.first().map(|option| match &option.value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    });
    words::said(
        data.name.as_deref().unwrap_or_default(),
        value.as_deref(),
        language,
    )
}

/// When something happened, from its identifier
/// (<https://discord.com/developers/docs/reference#snowflakes>).
fn sent_at(id: InteractionId) -> Timestamp {
    let millis = i64::try_from(id.get() >> 22).unwrap_or(0) + EPOCH;
    DateTime::from_timestamp_millis(millis).unwrap_or_default()
}

fn mentions(message: &Message, me: UserId) -> bool {
    message.mentions.iter().any(|user| user.id == me)
}

/// The text without the mention of the bot, with names for the mentions of others and for emoji of a server's own.
fn text_of(message: &Message, me: UserId) -> String {
    let mut text = String::with_capacity(message.content.len());
    let mut rest = message.content.as_str();
    while let Some(start) = rest.find('<') {
        text.push_str(&rest[..start]);
        let tail = &rest[start..];
        match tail
            .find('>')
            .and_then(|end| Some((end, spoken(&tail[1..end], message, me)?)))
        {
            Some((end, word)) => {
                text.push_str(&word);
                rest = &tail[end + 1..];
            }
            None => {
                text.push('<');
                rest = &tail[1..];
            }
        }
    }
    text.push_str(rest);
    text.trim().to_owned()
}

/// What stands between `<` and `>` in words, when it is a mention or an emoji.
fn spoken(inner: &str, message: &Message, me: UserId) -> Option<String> {
    if let Some(user) = inner.strip_prefix('@') {
        let id: u64 = user.strip_prefix('!').unwrap_or(user).parse().ok()?;
        if id == me.get() {
            return Some(String::new());
        }
        let user = message.mentions.iter().find(|user| user.id.get() == id)?;
        return Some(format!("@{}", user.shown_name()));
    }
    let emoji = inner
        .strip_prefix("a:")
        .or_else(|| inner.strip_prefix(':'))?;
    let (name, id) = emoji.split_once(':')?;
    id.parse::<u64>().ok()?;
    Some(format!(":{name}:"))
}

fn attachments_of(message: &Message) -> Vec<Attachment> {
    let files = message.attachments.iter().map(|file| Attachment {
        kind: kind_of(file.content_type.as_deref(), message.is_voice()),
        place: AttachmentPlace::Provider(files::place_of(message, file)),
        name: file.filename.clone(),
        media_type: file.content_type.clone(),
        size: file.size,
    });
    let stickers = message.sticker_items.iter().map(|sticker| {
        let (url, media_type) = files::sticker(sticker);
        Attachment {
            kind: AttachmentKind::Sticker,
            place: AttachmentPlace::Provider(url),
            name: Some(sticker.name.clone()).filter(|name| !name.is_empty()),
            media_type: Some(media_type.to_owned()),
            size: None,
        }
    });
    files.chain(stickers).collect()
}

fn kind_of(media_type: Option<&str>, voice: bool) -> AttachmentKind {
    let family = media_type.and_then(|media| media.split('/').next());
    match family.unwrap_or_default() {
        "audio" if voice => AttachmentKind::Voice,
        "audio" => AttachmentKind::Audio,
        "image" => AttachmentKind::Image,
        "video" => AttachmentKind::Video,
        _ => AttachmentKind::Document,
    }
}
