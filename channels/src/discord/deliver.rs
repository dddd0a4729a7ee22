//! Sending: part by part, each with a nonce that Discord makes one message for.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use doorstep_core::{
    OutboundMessageId,
    channel::{Receipt, SendError},
    message::{Address, Image, OutboundMessage},
};
use serde_json::{Value, json};
use serenity::model::id::{ChannelId, MessageId};

use super::{
    Discord,
    address::Place,
    calls::prune,
    files,
    render::{self, Part},
    rest::{Body, CallError, Upload},
};

/// How often and how long the answer to a command waits until Discord knows that the command was acknowledged: the two
/// travel side by side.
const EDIT_TRIES: u32 = 5;
const EDIT_PAUSE: Duration = Duration::from_millis(300);

/// Above so many messages that stopped half-way the oldest knowledge goes; their nonces still keep them single.
const MANY: usize = 1000;

/// Parts of messages that were sent before the rest failed: they are not sent again.
#[derive(Default)]
pub(super) struct Progress(Mutex<HashMap<(OutboundMessageId, String), Vec<MessageId>>>);

impl Progress {
    fn sent(&self, message: OutboundMessageId, address: &Address) -> Vec<MessageId> {
        let key = (message, address.id.clone());
        self.lock().remove(&key).unwrap_or_default()
    }

    fn keep(&self, message: OutboundMessageId, address: &Address, sent: Vec<MessageId>) {
        let mut known = self.lock();
        if known.len() >= MANY {
            known.clear();
        }
        known.insert((message, address.id.clone()), sent);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<(OutboundMessageId, String), Vec<MessageId>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Discord {
    /// Sends all parts of a message. The receipt names the last one, which has the buttons.
    pub(super) async fn deliver(
        &self,
        address: &Address,
        message: &OutboundMessage,
    ) -> Result<Receipt, SendError> {
        let place = Place::of(address)?;
        let parts = render::parts(message);
        let channel = self.places.channel_of(place, &self.rest).await;
        // Opening the channel sends nothing, so it may be done again.
        let channel = channel.map_err(|error| match error {
            CallError::NoAnswer(reason) => SendError::Retry {
                after: None,
                reason,
            },
            error => error.into_send_error(),
        })?;
        let mut sent = self.progress.sent(message.id, address);
        for (at, part) in parts.iter().enumerate().skip(sent.len()) {
            let nonce = render::nonce(message.id, at, at + 1 == parts.len());
            let delivered = match self.answers_command(place, message, at).await {
                Some(token) => self.put_in_place(&token, channel, part, nonce).await,
                None => self.post(channel, part, nonce).await,
            };
            match delivered {
                Ok(id) => sent.push(id),
                Err(error) => {
                    if matches!(error, SendError::Retry { .. }) && !sent.is_empty() {
                        self.progress.keep(message.id, address, sent);
                    }
                    return Err(error);
                }
            }
        }
        let last = sent.last().ok_or_else(|| SendError::Fail {
            reason: "the message is empty".to_owned(),
        })?;
        Ok(Receipt {
            provider_id: last.to_string(),
        })
    }

    /// The token of the command that the message's first part answers.
    async fn answers_command(
        &self,
        place: Place,
        message: &OutboundMessage,
        part: usize,
    ) -> Option<String> {
        let command = message.thread.answers.as_deref();
        let command = command.filter(|id| part == 0 && id.starts_with("interaction:"))?;
        // Without the token the answer is a message like others.
        let taken = self.pending.take(place, command, message.id).await;
        taken.unwrap_or_default()
    }

    async fn post(
        &self,
        channel: ChannelId,
        part: &Part,
        nonce: String,
    ) -> Result<MessageId, SendError> {
        let mut ready = self.with_pictures(part).await;
        let mut asked_again = false;
        loop {
            let body = write(&ready.part.create(nonce.clone()), &ready.files)?;
            match self.rest.create_message(channel, body).await {
                Ok(id) => return Ok(id),
                // By its nonce the second time has no second effect, and tells what became of the first.
                Err(CallError::NoAnswer(_)) if !asked_again => asked_again = true,
                // Too large for this server.
                Err(error) if error.code() == Some(40005) && !ready.files.is_empty() => {
                    ready = without_files(part);
                }
                Err(error) if asked_again => {
                    return Err(SendError::Ambiguous {
                        reason: format!("no answer to the first request, then: {error}"),
                    });
                }
                Err(error) => return Err(error.into_send_error()),
            }
        }
    }

    /// Puts a part where the customer sees that their command is being answered; when that is no longer possible, as a
    /// message of its own. Putting it there twice has one effect.
    async fn put_in_place(
        &self,
        token: &str,
        channel: ChannelId,
        part: &Part,
        nonce: String,
    ) -> Result<MessageId, SendError> {
        let ready = self.with_pictures(part).await;
        let mut tries = 0;
        let mut unanswered = false;
        loop {
            tries += 1;
            let body = write(&ready.part.edit(), &ready.files)?;
            match self.rest.edit_response(self.application, token, body).await {
                Ok(id) => return Ok(id),
                Err(CallError::NoAnswer(_)) if !unanswered => unanswered = true,
                // Unknown webhook: the acknowledgement has not arrived yet, or never will.
                Err(error) if error.code() == Some(10015) && tries < EDIT_TRIES => {
                    tokio::time::sleep(EDIT_PAUSE).await;
                }
                Err(CallError::Refused { .. }) if !unanswered => {
                    return self.post(channel, part, nonce).await;
                }
                Err(error) if unanswered => {
                    return Err(SendError::Ambiguous {
                        reason: format!("no answer to the first request, then: {error}"),
                    });
                }
                Err(error) => return Err(error.into_send_error()),
            }
        }
    }

    /// The part with its pictures as files; those that cannot be read are shown by their address.
    async fn with_pictures(&self, part: &Part) -> Ready {
        let mut ready = Ready {
            part: part.clone(),
            files: Vec::new(),
        };
        let pictures = part.images.iter().enumerate();
        let pictures = pictures.map(|(at, image)| files::picture(&self.rest, at, image));
        let pictures = futures::future::join_all(pictures).await;
        for (image, picture) in part.images.iter().zip(pictures) {
            match picture {
                Some(file) => ready.files.push((file, image.alt.clone())),
                None => ready.show_by_address(image),
            }
        }
        ready
    }
}

/// A part that can be sent.
struct Ready {
    part: Part,
    /// Files, each with what it shows.
    files: Vec<(Upload, String)>,
}

impl Ready {
    fn show_by_address(&mut self, image: &Image) {
        match render::picture(image) {
            Ok(embed) => self.part.embeds.push(embed),
            Err(told) => self.part.text = format!("{}\n{told}", self.part.text).trim().to_owned(),
        }
    }
}

fn without_files(part: &Part) -> Ready {
    let mut ready = Ready {
        part: part.clone(),
        files: Vec::new(),
    };
    for image in &part.images {
        ready.show_by_address(image);
    }
    ready
}

/// The request's body: JSON, with files when there are some
/// (<https://discord.com/developers/docs/reference#uploading-files>).
fn write(message: &impl serde::Serialize, files: &[(Upload, String)]) -> Result<Body, SendError> {
    let mut json = serde_json::to_value(message).map_err(|error| SendError::Fail {
        reason: format!("the message could not be written as JSON: {error}"),
    })?;
    // Empty lists stay: they are what keeps a message from pinging, and what an edit takes away.
    prune(&mut json, Value::is_null);
    let described = files.iter().enumerate().map(|(at, (file, alt))| {
        let alt: String = alt.chars().take(1024).collect();
        json!({ "id": at, "filename": file.name, "description": alt })
    });
    let described: Vec<Value> = described.collect();
    json["attachments"] = Value::Array(described);
    if files.is_empty() {
        return Ok(Body::Json(json));
    }
    let uploads = files.iter().map(|(file, _)| file.clone()).collect();
    Ok(Body::Files(json, uploads))
}
