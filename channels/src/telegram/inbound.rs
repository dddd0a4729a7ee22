//! From what Telegram tells to what a customer said.

use chrono::DateTime;
use doorstep_core::{
    Language, Timestamp,
    attachment::{Attachment, AttachmentKind, AttachmentPlace},
    message::{Address, InboundMessage},
};

use super::{
    config::Settings,
    place::{Place, message_name},
    update::{Entity, File, Kind, Membership, Message, Press, Update, User},
};

/// What an update comes to.
#[derive(Debug)]
pub(super) enum Heard {
    /// A message.
    Message(Box<InboundMessage>),
    /// One picture or file of several that were sent together.
    AlbumPart(Box<AlbumPart>),
    /// A pressed button.
    Press(Box<Pressed>),
    /// The bot cannot write there any more.
    Closed(Address, String),
    /// Nothing for us, and why.
    Skipped(&'static str),
}

/// One of several files that were sent together: Telegram tells each as a message of its own.
#[derive(Debug)]
pub(super) struct AlbumPart {
    /// What all parts have in common: chat and album.
    pub(super) album: String,
    /// The part as if it stood alone.
    pub(super) message: InboundMessage,
    /// Its own identifier in the chat: parts are in its order.
    pub(super) number: i64,
    /// Whether it is meant for us; in groups one part that mentions us is enough for all.
    pub(super) addressed: bool,
    /// Whether it replaces what it was before.
    pub(super) edited: bool,
}

/// A pressed button, before its value is known.
#[derive(Debug)]
pub(super) struct Pressed {
    /// The press without its value; its text is the button's label, when that is known.
    pub(super) message: InboundMessage,
    /// Identifies the press to Telegram, which shows the customer a spinner until it is answered.
    pub(super) query: String,
    /// What the button carried.
    pub(super) data: Option<String>,
    /// The customer's language by its primary subtag.
    pub(super) language: Option<String>,
}

/// Reads an update. `now` stands in where Telegram does not say when something was done.
pub(super) fn hear(update: Update, settings: &Settings, now: Timestamp) -> Heard {
    match update.kind {
        Kind::Message(message) => hear_message(&message, None, settings),
        Kind::Edited(message) => hear_message(&message, Some(update.id), settings),
        Kind::Press(press) => hear_press(*press, now),
        Kind::Membership(membership) => hear_membership(&membership),
        Kind::Other => Heard::Skipped("unknown_kind"),
    }
}

fn hear_message(message: &Message, edit: Option<i64>, settings: &Settings) -> Heard {
    let Some(place) = place(message) else {
        return Heard::Skipped("without_chat");
    };
    if message.message_id <= 0 || message.chat.kind == "channel" {
        return Heard::Skipped("not_a_message");
    }
    // Other bots, and groups that write in their own name.
    let Some(sender) = message.from.as_ref().filter(|sender| !sender.is_bot) else {
        return Heard::Skipped("not_a_customer");
    };
    let said = said(message, settings);
    let attachments = attachments(message);
    let addressed = !is_group(message) || said.mentioned || answers_us(message, settings);
    let id = message_name(place.chat, message.message_id);
    let mut inbound = InboundMessage {
        language_hint: language(sender),
        attachments,
        answers: answered(message, place, settings),
        ..InboundMessage::text(place.address(), id.clone(), said.text, when(message))
    };
    if let Some(update) = edit {
        inbound.external_id = format!("{id}:e{update}");
        inbound.edits = Some(id);
    } else {
        command(&mut inbound, settings);
    }
    if let Some(album) = &message.media_group_id {
        return Heard::AlbumPart(Box::new(AlbumPart {
            album: format!("{place}:{album}"),
            message: inbound,
            number: message.message_id,
            addressed,
            edited: edit.is_some(),
        }));
    }
    if !addressed {
        return Heard::Skipped("not_for_us");
    }
    if inbound.text.is_empty() && inbound.attachments.is_empty() {
        return Heard::Skipped("without_words");
    }
    Heard::Message(Box::new(inbound))
}

fn hear_press(press: Press, now: Timestamp) -> Heard {
    let on = press.message.as_deref();
    // A press under a message that somebody shared through us in another chat has no message.
    let Some((message, place)) = on.and_then(|message| Some((message, place(message)?))) else {
        return Heard::Skipped("press_without_chat");
    };
    let keys = message.reply_markup.iter();
    let mut keys = keys.flat_map(|markup| markup.inline_keyboard.iter().flatten());
    let label = keys
        .find(|key| key.callback_data.is_some() && key.callback_data == press.data)
        .map(|key| key.text.trim().to_owned());
    let on = message_name(place.chat, message.message_id);
    let inbound = InboundMessage {
        language_hint: language(&press.from),
        answers: (message.message_id > 0).then_some(on),
        ..InboundMessage::text(
            place.address(),
            format!("press:{}", press.id),
            label.unwrap_or_default(),
            now,
        )
    };
    Heard::Press(Box::new(Pressed {
        message: inbound,
        query: press.id,
        data: press.data,
        language: press
            .from
            .language_code
            .map(|code| primary(&code).to_owned()),
    }))
}

/// A private chat tells by it that the customer blocked us; a group, that we were removed.
fn hear_membership(membership: &Membership) -> Heard {
    let status = membership.new_chat_member.status.as_str();
    if !matches!(status, "kicked" | "left") || membership.chat.id == 0 {
        return Heard::Skipped("membership");
    }
    let place = Place {
        chat: membership.chat.id,
        topic: None,
    };
    let reason = match membership.chat.kind.as_str() {
        "private" => "the customer blocked the bot".to_owned(),
        _ => format!("the bot is no longer in the group ({status})"),
    };
    Heard::Closed(place.address(), reason)
}

fn place(message: &Message) -> Option<Place> {
    let topic = message.message_thread_id.filter(|topic| *topic > 0);
    // Replies in groups without topics have a thread as well, which cannot be written to.
    let topic = topic.filter(|_| message.is_topic_message == Some(true));
    (message.chat.id != 0).then_some(Place {
        chat: message.chat.id,
        topic,
    })
}

fn is_group(message: &Message) -> bool {
    message.chat.id < 0
}

fn answers_us(message: &Message, settings: &Settings) -> bool {
    let replied = message.reply_to_message.as_ref();
    let sender = replied.and_then(|replied| replied.from.as_ref());
    sender.is_some_and(|sender| sender.id == settings.bot_id)
}

/// The message of ours that it is a reply to.
fn answered(message: &Message, place: Place, settings: &Settings) -> Option<String> {
    let replied = message.reply_to_message.as_ref()?;
    answers_us(message, settings).then(|| message_name(place.chat, replied.message_id))
}

fn when(message: &Message) -> Timestamp {
    let seconds = message.edit_date.unwrap_or(message.date);
    DateTime::from_timestamp(seconds, 0).unwrap_or_default()
}

fn language(user: &User) -> Option<Language> {
    user.language_code.as_deref()?.parse().ok()
}

fn primary(code: &str) -> &str {
    code.split(['-', '_']).next().unwrap_or(code)
}

struct Said {
    text: String,
    /// Whether it names the bot.
    mentioned: bool,
}

fn said(message: &Message, settings: &Settings) -> Said {
    if let Some(text) = &message.text {
        return without_mentions(text, &message.entities, settings);
    }
    if let Some(text) = &message.caption {
        return without_mentions(text, &message.caption_entities, settings);
    }
    Said {
        text: in_words(message).unwrap_or_default(),
        mentioned: false,
    }
}

/// What is neither text nor file, in words.
fn in_words(message: &Message) -> Option<String> {
    if let Some(venue) = &message.venue {
        return Some(format!("{}, {}", venue.title, venue.address));
    }
    if let Some(location) = &message.location {
        return Some(format!("{}, {}", location.latitude, location.longitude));
    }
    if let Some(contact) = &message.contact {
        let last = contact.last_name.as_deref().unwrap_or_default();
        let name = format!("{} {last}", contact.first_name);
        return Some(format!("{}, {}", name.trim(), contact.phone_number));
    }
    if let Some(poll) = &message.poll {
        return Some(poll.question.clone());
    }
    let sticker = message.sticker.as_ref();
    let emoji = sticker.and_then(|sticker| sticker.emoji.clone());
    emoji.or_else(|| message.dice.as_ref().map(|dice| dice.emoji.clone()))
}

/// The text without the bot's own name, by which groups call it.
fn without_mentions(text: &str, entities: &[Entity], settings: &Settings) -> Said {
    let units: Vec<u16> = text.encode_utf16().collect();
    let ours = format!("@{}", settings.username).to_lowercase();
    let mut keep = vec![true; units.len()];
    let mut mentioned = false;
    for entity in entities {
        let Some(range) = range(entity, units.len()) else {
            continue;
        };
        let named = String::from_utf16_lossy(&units[range.clone()]).to_lowercase();
        let cut = match entity.kind.as_str() {
            "mention" if named == ours => Some(range),
            "text_mention" => {
                let user = entity.user.as_ref().map(|user| user.id);
                (user == Some(settings.bot_id)).then_some(range)
            }
            // Telegram has only Latin letters in commands and names: as many units as bytes.
            "bot_command" if named.ends_with(&ours) && named.is_ascii() => {
                Some(range.end - ours.len()..range.end)
            }
            _ => None,
        };
        if let Some(cut) = cut {
            mentioned = true;
            keep[cut].fill(false);
        }
    }
    let kept = units.iter().zip(&keep).filter(|(_, keep)| **keep);
    let kept: Vec<u16> = kept.map(|(unit, _)| *unit).collect();
    Said {
        text: String::from_utf16_lossy(&kept).trim().to_owned(),
        mentioned,
    }
}

fn range(entity: &Entity, length: usize) -> Option<std::ops::Range<usize>> {
    let start = usize::try_from(entity.offset).ok()?;
    let end = start.checked_add(usize::try_from(entity.length).ok()?)?;
    (end <= length).then_some(start..end)
}

/// A command of the menu is the button it stands for; what `/start` brings along is a link's token.
fn command(inbound: &mut InboundMessage, settings: &Settings) {
    let Some(written) = inbound.text.strip_prefix('/') else {
        return;
    };
    let (name, rest) = written
        .split_once(char::is_whitespace)
        .unwrap_or((written, ""));
    let name = name.split('@').next().unwrap_or(name).to_lowercase();
    let rest = rest.trim().to_owned();
    let mut known = settings.commands.iter();
    let known = known.find(|command| command.name == name);
    let language = inbound.language_hint.as_ref().map(Language::primary);
    let text = known.map(|command| command.text(language).to_owned());
    if name == "start" {
        inbound.link = is_link_token(&rest).then_some(rest);
        inbound.button = known.map(|command| command.value.clone());
        inbound.text = text.unwrap_or_else(|| "/start".to_owned());
        return;
    }
    match (known, text) {
        (Some(command), Some(text)) if rest.is_empty() => {
            inbound.button = Some(command.value.clone());
            inbound.text = text;
        }
        // What follows is read together with what the command means: `/order 10234`.
        (Some(_), Some(text)) => inbound.text = format!("{text} {rest}"),
        _ => {}
    }
}

/// What a deep link may carry. <https://core.telegram.org/bots/features#deep-linking>
pub(super) fn is_link_token(token: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    (1..=64).contains(&token.len()) && token.bytes().all(allowed)
}

fn attachments(message: &Message) -> Vec<Attachment> {
    let mut found = Vec::new();
    let largest = message
        .photo
        .iter()
        .max_by_key(|size| size.width.saturating_mul(size.height));
    if let Some(photo) = largest {
        found.push(Attachment {
            kind: AttachmentKind::Image,
            place: AttachmentPlace::Provider(photo.file_id.clone()),
            name: None,
            media_type: Some("image/jpeg".to_owned()),
            size: photo.file_size,
        });
    }
    // An animation comes with a document that is the same file, for older programs.
    let document = message
        .document
        .as_ref()
        .filter(|_| message.animation.is_none());
    let files = [
        (AttachmentKind::Document, document),
        (AttachmentKind::Voice, message.voice.as_ref()),
        (AttachmentKind::Audio, message.audio.as_ref()),
        (AttachmentKind::Video, message.video.as_ref()),
        (AttachmentKind::Video, message.video_note.as_ref()),
        (AttachmentKind::Video, message.animation.as_ref()),
        (AttachmentKind::Sticker, message.sticker.as_ref()),
    ];
    let files = files.into_iter().filter_map(|(kind, file)| {
        let file = file?;
        Some(attachment(kind, file))
    });
    found.extend(files);
    found
}

fn attachment(kind: AttachmentKind, file: &File) -> Attachment {
    Attachment {
        kind,
        place: AttachmentPlace::Provider(file.file_id.clone()),
        name: file.file_name.clone(),
        media_type: file.mime_type.clone(),
        size: file.file_size,
    }
}
