//! Commands that were acknowledged and wait for their answer: it replaces what the customer sees as "thinking".
//!
//! One is kept for each place, as a cursor of the inbox, because another instance may send the answer. Discord takes the
//! token for 15 minutes
//! (<https://discord.com/developers/docs/interactions/receiving-and-responding#followup-messages>).

use std::sync::Arc;

use chrono::TimeDelta;
use doorstep_core::{
    Ambient, ChannelName, OutboundMessageId, Timestamp,
    channel::{AdmitError, Inbox},
};
use serde::{Deserialize, Serialize};

use super::address::Place;

/// A little less than the 15 minutes.
const LIFETIME: TimeDelta = TimeDelta::minutes(14);

pub(super) struct Pending {
    channel: ChannelName,
    inbox: Arc<dyn Inbox>,
    ambient: Ambient,
}

#[derive(Serialize, Deserialize)]
struct Kept {
    /// External identifier of the command.
    command: String,
    token: String,
    until: Timestamp,
    /// The message that has answered it.
    answer: Option<OutboundMessageId>,
}

impl Pending {
    pub(super) fn new(channel: ChannelName, inbox: Arc<dyn Inbox>, ambient: Ambient) -> Self {
        Self {
            channel,
            inbox,
            ambient,
        }
    }

    /// Keeps the token of a command until it is answered.
    pub(super) async fn keep(
        &self,
        place: Place,
        command: &str,
        token: &str,
    ) -> Result<(), AdmitError> {
        let kept = Kept {
            command: command.to_owned(),
            token: token.to_owned(),
            until: self.ambient.now() + LIFETIME,
            answer: None,
        };
        self.write(place, &kept).await
    }

    /// The token with which `answer` can take the place of the acknowledgement of `command`, unless another message has.
    /// Sent again, the same message takes the same place.
    pub(super) async fn take(
        &self,
        place: Place,
        command: &str,
        answer: OutboundMessageId,
    ) -> Result<Option<String>, AdmitError> {
        let kept = self.inbox.cursor(&self.channel, &key(place)).await?;
        let kept = kept.and_then(|kept| serde_json::from_str::<Kept>(&kept).ok());
        let Some(mut kept) = kept.filter(|kept| kept.command == command) else {
            return Ok(None);
        };
        let free = kept.answer.is_none_or(|other| other == answer);
        if !free || self.ambient.now() >= kept.until {
            return Ok(None);
        }
        if kept.answer.is_none() {
            kept.answer = Some(answer);
            self.write(place, &kept).await?;
        }
        Ok(Some(kept.token))
    }

    async fn write(&self, place: Place, kept: &Kept) -> Result<(), AdmitError> {
        let text = serde_json::to_string(kept)
            .map_err(|error| AdmitError::Unavailable(error.to_string()))?;
        self.inbox
            .set_cursor(&self.channel, &key(place), &text)
            .await
    }
}

fn key(place: Place) -> String {
    format!("command of {place}")
}
