//! Sending one of our messages, which may be several of Telegram's.
//!
//! A part that was sent is never sent again: when a later one has to wait, how far it came is kept in the store, and the
//! next attempt, on whichever instance, goes on from there.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use chrono::TimeDelta;
use doorstep_core::{
    Timestamp,
    channel::{Preview, Receipt, SendError},
    message::{Address, Button, OutboundMessage},
};
use serde::Deserialize;
use teloxide_core::{
    payloads::{SendMediaGroup, SendMessage, SendPhoto},
    types::{
        InputFile, InputMedia, InputMediaPhoto, LinkPreviewOptions, MessageId, ParseMode,
        ReplyMarkup, ReplyParameters,
    },
};

use super::{
    Telegram,
    api::{CallError, Refusal, Upload},
    buttons,
    compose::{Body, Part, Photo, compose, keyboard},
    html,
    pictures::Picture,
    place::{Place, message_name, parse_message_name},
    update::PhotoSize,
};

/// What a group takes in a minute. <https://core.telegram.org/bots/faq#my-bot-is-hitting-limits-how-do-i-avoid-this>
const GROUP_LIMIT: usize = 20;

/// The minute of [`GROUP_LIMIT`].
const GROUP_WINDOW: TimeDelta = TimeDelta::minutes(1);

/// The name that an uploaded photo has in its request.
const ATTACHED: &str = "picture";

/// What Telegram says of a message it sent.
#[derive(Debug, Deserialize)]
struct Sent {
    message_id: i64,
    #[serde(default)]
    photo: Vec<PhotoSize>,
}

/// When groups were written to, on this instance: the room's rates are the same for every address, a group's are lower.
#[derive(Default)]
pub(super) struct GroupLimit {
    sent: Mutex<HashMap<i64, VecDeque<Timestamp>>>,
}

impl GroupLimit {
    /// Counts a message to a group, or says how long to wait.
    fn take(&self, chat: i64, now: Timestamp) -> Result<(), Duration> {
        let mut all = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, sent| sent.back().is_some_and(|last| now - *last < GROUP_WINDOW));
        let sent = all.entry(chat).or_default();
        while sent
            .front()
            .is_some_and(|first| now - *first >= GROUP_WINDOW)
        {
            sent.pop_front();
        }
        if sent.len() < GROUP_LIMIT {
            sent.push_back(now);
            return Ok(());
        }
        let first = sent.front().copied().unwrap_or(now);
        Err((first + GROUP_WINDOW - now).to_std().unwrap_or_default())
    }
}

impl Telegram {
    /// Sends what was not sent of a message yet. The receipt names the last of Telegram's messages: the buttons are there.
    pub(super) async fn deliver(
        &self,
        address: &Address,
        message: &OutboundMessage,
    ) -> Result<Receipt, SendError> {
        let Some(mut place) = Place::parse(&address.id) else {
            return Err(SendError::Fail {
                reason: "the address is not a Telegram chat".to_owned(),
            });
        };
        let parts = compose(&message.content);
        if parts.is_empty() {
            return Err(SendError::Fail {
                reason: "the message says nothing".to_owned(),
            });
        }
        self.keep_long_values(&parts).await?;
        let progress = format!("sent:{}", message.id);
        let mut sent = match parts.len() {
            1 => Vec::new(),
            _ => self.sent_before(&progress).await?,
        };
        let resumed = !sent.is_empty();
        let reply = reply_to(&place, message).filter(|_| !resumed);
        for (number, part) in parts.iter().enumerate().skip(sent.len()) {
            let reply = reply.filter(|_| number == 0);
            match self.send_part(&mut place, part, reply).await {
                Ok(Some(id)) => sent.push(message_name(place.chat, id)),
                Ok(None) => sent.push(String::new()),
                Err(error) => return Err(self.interrupted(&progress, &sent, error).await),
            }
        }
        if resumed {
            // What is left of it does no harm.
            let _ = self.inbox.set_cursor(&self.name, &progress, "").await;
        }
        let last = sent.into_iter().rev().find(|name| !name.is_empty());
        Ok(Receipt {
            provider_id: last.unwrap_or_default(),
        })
    }

    /// The message as it would be sent.
    pub(super) fn previews(&self, message: &OutboundMessage) -> Result<Vec<Preview>, SendError> {
        let nowhere = Place {
            chat: 0,
            topic: None,
        };
        let previews = compose(&message.content).into_iter().map(|part| {
            let file = |photo: &Photo| InputFile::file_id(photo.url.clone().into());
            let (text, payload) = match &part.body {
                Body::Text(text) => {
                    let payload = text_payload(&nowhere, text, &part.buttons, None);
                    (html::plain(text), serde_json::to_string_pretty(&payload))
                }
                Body::Photo(photo) => {
                    let payload = photo_payload(&nowhere, file(photo), photo, &part.buttons, None);
                    let text = html::plain(&photo.caption);
                    (text, serde_json::to_string_pretty(&payload))
                }
                Body::Album(photos) => {
                    let files = photos.iter().map(file).collect();
                    let payload = album_payload(&nowhere, files, photos, None);
                    let texts: Vec<String> = photos
                        .iter()
                        .map(|photo| html::plain(&photo.caption))
                        .collect();
                    (texts.join("\n"), serde_json::to_string_pretty(&payload))
                }
            };
            let labels = part
                .buttons
                .iter()
                .map(|button| format!("\n[{}]", button.label));
            let payload = payload.map_err(|error| SendError::Fail {
                reason: error.to_string(),
            })?;
            Ok(Preview {
                text: text + &labels.collect::<String>(),
                html: None,
                payload,
            })
        });
        previews.collect()
    }

    /// Values that a button cannot carry are stored before it can be pressed.
    async fn keep_long_values(&self, parts: &[Part]) -> Result<(), SendError> {
        for button in parts.iter().flat_map(|part| &part.buttons) {
            let Some(name) = buttons::stored_under(&button.value) else {
                continue;
            };
            let kept = self
                .inbox
                .set_cursor(&self.name, &name, &button.value)
                .await;
            kept.map_err(later)?;
        }
        Ok(())
    }

    async fn sent_before(&self, progress: &str) -> Result<Vec<String>, SendError> {
        let stored = self.inbox.cursor(&self.name, progress).await;
        let stored = stored.map_err(later)?.unwrap_or_default();
        let names = stored.split_terminator(',');
        Ok(names.map(ToOwned::to_owned).collect())
    }

    /// A part was not sent after others were.
    async fn interrupted(&self, progress: &str, sent: &[String], error: SendError) -> SendError {
        if sent.is_empty() || !matches!(error, SendError::Retry { .. }) {
            return error;
        }
        let names: String = sent.iter().map(|name| format!("{name},")).collect();
        match self.inbox.set_cursor(&self.name, progress, &names).await {
            Ok(()) => error,
            Err(_) => SendError::Ambiguous {
                reason: format!(
                    "{} parts were sent, which could not be noted; then: {error}",
                    sent.len()
                ),
            },
        }
    }

    /// Sends one part; its identifier, or nothing when there was nothing to show.
    async fn send_part(
        &self,
        place: &mut Place,
        part: &Part,
        reply: Option<MessageId>,
    ) -> Result<Option<i64>, SendError> {
        if place.is_group() {
            let taken = self.groups.take(place.chat, self.ambient.now());
            taken.map_err(|after| SendError::Retry {
                after: Some(after),
                reason: format!("a group takes {GROUP_LIMIT} messages a minute"),
            })?;
        }
        let mut sent = self.try_part(place, part, reply).await;
        if let Err(CallError::Refused(Refusal {
            migrate_to: Some(chat),
            ..
        })) = &sent
        {
            place.chat = *chat;
            sent = self.try_part(place, part, None).await;
        }
        sent.map_err(outcome)
    }

    async fn try_part(
        &self,
        place: &Place,
        part: &Part,
        reply: Option<MessageId>,
    ) -> Result<Option<i64>, CallError> {
        let instead = match &part.body {
            Body::Text(text) => text.clone(),
            Body::Photo(photo) => match self.try_photo(place, photo, &part.buttons, reply).await? {
                Some(id) => return Ok(Some(id)),
                None => photo.instead.clone(),
            },
            Body::Album(photos) => match self.try_album(place, photos, reply).await? {
                Some(id) => return Ok(Some(id)),
                None => {
                    let lines: Vec<&str> =
                        photos.iter().map(|photo| photo.instead.as_str()).collect();
                    lines.join("\n")
                }
            },
        };
        if instead.is_empty() {
            return Ok(None);
        }
        let payload = text_payload(place, &instead, &part.buttons, reply);
        let sent: Sent = self.api.call(&payload).await?;
        Ok(Some(sent.message_id))
    }

    /// Sends a photo; `None` when it cannot be one, whose words are then sent alone.
    async fn try_photo(
        &self,
        place: &Place,
        photo: &Photo,
        buttons: &[Button],
        reply: Option<MessageId>,
    ) -> Result<Option<i64>, CallError> {
        let now = self.ambient.now();
        let picture = self.pictures.get(self.api.http(), &photo.url, now).await;
        let (file, bytes) = match picture {
            Ok(Picture::Known(id)) => (InputFile::file_id(id.into()), None),
            Ok(Picture::New(bytes)) => (attached(0), Some(bytes)),
            Err(reason) => {
                tracing::warn!(url = photo.url, reason, "a picture cannot be shown");
                return Ok(None);
            }
        };
        let payload = photo_payload(place, file, photo, buttons, reply);
        let result: Result<Sent, CallError> = match bytes {
            Some(bytes) => self.api.upload(&payload, vec![upload(0, bytes)]).await,
            None => self.api.call(&payload).await,
        };
        match result {
            Ok(sent) => {
                self.remember(photo, &sent, now);
                Ok(Some(sent.message_id))
            }
            Err(error) => self.without_picture(&[photo], error),
        }
    }

    /// Sends photos together; `None` when one of them cannot be one.
    async fn try_album(
        &self,
        place: &Place,
        photos: &[Photo],
        reply: Option<MessageId>,
    ) -> Result<Option<i64>, CallError> {
        let now = self.ambient.now();
        let mut files = Vec::new();
        let mut uploads = Vec::new();
        for (number, photo) in photos.iter().enumerate() {
            match self.pictures.get(self.api.http(), &photo.url, now).await {
                Ok(Picture::Known(id)) => files.push(InputFile::file_id(id.into())),
                Ok(Picture::New(bytes)) => {
                    files.push(attached(number));
                    uploads.push(upload(number, bytes));
                }
                Err(reason) => {
                    tracing::warn!(url = photo.url, reason, "a picture cannot be shown");
                    return Ok(None);
                }
            }
        }
        let payload = album_payload(place, files, photos, reply);
        let result: Result<Vec<Sent>, CallError> = match uploads.is_empty() {
            true => self.api.call(&payload).await,
            false => self.api.upload(&payload, uploads).await,
        };
        match result {
            Ok(sent) => {
                for (photo, sent) in photos.iter().zip(&sent) {
                    self.remember(photo, sent, now);
                }
                Ok(sent.last().map(|sent| sent.message_id).or(Some(0)))
            }
            Err(error) => {
                let photos: Vec<&Photo> = photos.iter().collect();
                self.without_picture(&photos, error)
            }
        }
    }

    /// A refusal of the picture itself is no refusal of the words.
    fn without_picture(
        &self,
        photos: &[&Photo],
        error: CallError,
    ) -> Result<Option<i64>, CallError> {
        let CallError::Refused(refusal) = &error else {
            return Err(error);
        };
        let of_picture = matches!(refusal.code, 400 | 413)
            && refusal.migrate_to.is_none()
            && !is_gone(&refusal.description);
        if !of_picture {
            return Err(error);
        }
        for photo in photos {
            self.pictures.forget(&photo.url);
        }
        tracing::warn!(%error, "a picture was refused");
        Ok(None)
    }

    fn remember(&self, photo: &Photo, sent: &Sent, now: Timestamp) {
        let largest = sent.photo.iter().max_by_key(|size| size.width);
        if let Some(size) = largest {
            self.pictures
                .remember(&photo.url, size.file_id.clone(), now);
        }
    }
}

fn later(error: doorstep_core::channel::AdmitError) -> SendError {
    SendError::Retry {
        after: None,
        reason: error.to_string(),
    }
}

/// In a group it is seen whom we answer.
fn reply_to(place: &Place, message: &OutboundMessage) -> Option<MessageId> {
    let (chat, id) = parse_message_name(message.thread.answers.as_deref()?)?;
    (place.is_group() && chat == place.chat).then_some(MessageId(id))
}

fn reply_parameters(reply: Option<MessageId>) -> Option<ReplyParameters> {
    reply.map(|id| ReplyParameters::new(id).allow_sending_without_reply())
}

fn text_payload(
    place: &Place,
    text: &str,
    buttons: &[Button],
    reply: Option<MessageId>,
) -> SendMessage {
    let mut payload = SendMessage::new(place.recipient(), text);
    payload.message_thread_id = place.thread();
    payload.parse_mode = Some(ParseMode::Html);
    payload.link_preview_options = Some(LinkPreviewOptions {
        is_disabled: true,
        url: None,
        prefer_small_media: false,
        prefer_large_media: false,
        show_above_text: false,
    });
    payload.reply_parameters = reply_parameters(reply);
    payload.reply_markup = keyboard(buttons).map(ReplyMarkup::InlineKeyboard);
    payload
}

fn photo_payload(
    place: &Place,
    file: InputFile,
    photo: &Photo,
    buttons: &[Button],
    reply: Option<MessageId>,
) -> SendPhoto {
    let mut payload = SendPhoto::new(place.recipient(), file);
    payload.message_thread_id = place.thread();
    if !photo.caption.is_empty() {
        payload.caption = Some(photo.caption.clone());
        payload.parse_mode = Some(ParseMode::Html);
    }
    payload.reply_parameters = reply_parameters(reply);
    payload.reply_markup = keyboard(buttons).map(ReplyMarkup::InlineKeyboard);
    payload
}

fn album_payload(
    place: &Place,
    files: Vec<InputFile>,
    photos: &[Photo],
    reply: Option<MessageId>,
) -> SendMediaGroup {
    let media = files.into_iter().zip(photos).map(|(file, photo)| {
        let mut media = InputMediaPhoto::new(file);
        if !photo.caption.is_empty() {
            media.caption = Some(photo.caption.clone());
            media.parse_mode = Some(ParseMode::Html);
        }
        InputMedia::Photo(media)
    });
    let mut payload = SendMediaGroup::new(place.recipient(), media);
    payload.message_thread_id = place.thread();
    payload.reply_parameters = reply_parameters(reply);
    payload
}

fn attached(number: usize) -> InputFile {
    InputFile::file_id(format!("attach://{ATTACHED}{number}").into())
}

fn upload(number: usize, bytes: bytes::Bytes) -> Upload {
    Upload {
        name: format!("{ATTACHED}{number}"),
        file_name: "picture.jpg",
        bytes,
    }
}

/// What a failed request means for the message.
fn outcome(error: CallError) -> SendError {
    let reason = error.to_string();
    let refusal = match error {
        CallError::NotSent(_) => {
            return SendError::Retry {
                after: None,
                reason,
            };
        }
        CallError::Unknown(_) => return SendError::Ambiguous { reason },
        CallError::Refused(refusal) => refusal,
    };
    let again = refusal.retry_after.is_some() || matches!(refusal.code, 401 | 404 | 409 | 429);
    if again || refusal.code >= 500 {
        // A token that is no longer valid is wrong for every message, so none is given up for it.
        return SendError::Retry {
            after: refusal.retry_after,
            reason,
        };
    }
    // All that the server forbids with 403 is writing there: blocked, removed, deleted, never started.
    match refusal.code == 403 || is_gone(&refusal.description) {
        true => SendError::Gone { reason },
        false => SendError::Fail { reason },
    }
}

/// Whether a refused request means that there is nothing to write to.
fn is_gone(description: &str) -> bool {
    use teloxide_core::ApiError;
    let error: Option<ApiError> = serde_json::from_value(description.into()).ok();
    let known = matches!(
        error,
        Some(ApiError::ChatNotFound | ApiError::GroupDeactivated | ApiError::UserNotFound)
    );
    let text = description.to_lowercase();
    known
        || [
            "chat not found",
            "peer_id_invalid",
            "message thread not found",
            "topic_deleted",
            "chat_write_forbidden",
            "not enough rights to send",
        ]
        .iter()
        .any(|said| text.contains(said))
}
