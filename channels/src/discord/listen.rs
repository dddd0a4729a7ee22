//! Handles what the gateway brought, in order: admitted first, then counted as read (G1).

use std::{sync::Arc, time::Duration};

use doorstep_core::{
    channel::{AdmitError, Inbox},
    message::Address,
};
use futures::{StreamExt, stream};
use serde::{Deserialize, Serialize};
use serenity::{
    builder::CreateInteractionResponse,
    model::id::{ChannelId, GuildId, InteractionId, MessageId, UserId},
};
use tokio::{
    sync::mpsc,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{
    Discord,
    address::Place,
    gateway::{Dispatch, QUEUE, Session},
    inbound::{Reading, language_of, whispered},
    places::PlaceError,
    render,
    rest::{Body, CallError},
    wire::{Event, Interaction, Message},
    words,
};

/// The cursor under which it is kept how far was read.
pub(super) const CURSOR: &str = "gateway";

/// After so many dispatches at the latest it is kept how far was read; what came since is read again after a crash, and
/// found admitted.
const SAVE_EVERY: u32 = 50;

/// In so many conversations it is looked for what was missed between two sessions.
const RECENT: usize = 50;

/// How many messages are asked for at once (Discord's limit is 100), and how often in one conversation.
const PAGE: usize = 100;
const PAGES: usize = 20;

/// How long a customer's place may take to be found before they are asked to try again: Discord waits 3 s in all.
const PLACE_TIMEOUT: Duration = Duration::from_secs(2);

/// How long the store may take before Discord is answered all the same.
const STORE_TIMEOUT: Duration = Duration::from_secs(1);

/// How many interactions are answered at once.
const RESPONSES: usize = 32;

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// What is kept of how far was read.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Kept {
    session: Option<Session>,
    /// Conversations, newest first.
    recent: Vec<Recent>,
}

/// A conversation that had news.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Recent {
    channel: ChannelId,
    /// The server that the channel is on.
    guild: Option<GuildId>,
    /// Its last message, or another identifier of the same moment.
    last: MessageId,
}

impl Kept {
    fn note(&mut self, channel: ChannelId, guild: Option<GuildId>, last: MessageId) {
        let known = self.recent.iter().find(|known| known.channel == channel);
        let last = known.map_or(last, |known| last.max(known.last));
        self.recent.retain(|known| known.channel != channel);
        let newest = Recent {
            channel,
            guild,
            last,
        };
        self.recent.insert(0, newest);
        self.recent.truncate(RECENT);
    }

    /// Notes where a message of a customer was, and where their next one will be.
    fn note_inbound(
        &mut self,
        channel: ChannelId,
        guild: Option<GuildId>,
        last: MessageId,
        from: &Address,
    ) {
        self.note(channel, guild, last);
        if let Ok(Place::Thread { channel, .. }) = Place::of(from) {
            self.note(channel, guild, last);
        }
    }
}

/// We were asked to stop while the store was away: what is in hand stays unread.
struct Stopped;

/// An interaction's first answer, to be given.
struct Response {
    id: InteractionId,
    token: String,
    response: CreateInteractionResponse,
}

/// What handling needs at every step.
struct Hands<'a> {
    inbox: &'a dyn Inbox,
    stop: &'a CancellationToken,
    responses: mpsc::Sender<Response>,
}

impl Discord {
    /// Receives until `stop`.
    pub(super) async fn receive(&self, inbox: Arc<dyn Inbox>, stop: CancellationToken) {
        if stop.is_cancelled() || !self.config.gateway {
            return;
        }
        let kept = self.until_stored(&stop, || self.kept(&*inbox)).await;
        let Ok(kept) = kept else { return };
        let (queue, dispatches) = mpsc::channel(QUEUE);
        let (responses, waiting) = mpsc::channel(QUEUE);
        let hands = Hands {
            inbox: &*inbox,
            stop: &stop,
            responses,
        };
        // One task: none of them outlives the others.
        tokio::join!(
            self.read_gateway(kept.session.clone(), queue, &stop),
            self.handle_all(kept, dispatches, hands),
            self.respond_all(waiting),
            self.register_commands(&stop),
        );
    }

    async fn kept(&self, inbox: &dyn Inbox) -> Result<Kept, AdmitError> {
        let kept = inbox.cursor(&self.name, CURSOR).await?;
        // What cannot be read is of another version: a new session is begun.
        Ok(kept
            .and_then(|kept| serde_json::from_str(&kept).ok())
            .unwrap_or_default())
    }

    async fn handle_all(
        &self,
        mut kept: Kept,
        mut dispatches: mpsc::Receiver<Dispatch>,
        hands: Hands<'_>,
    ) {
        let mut unsaved = 0;
        while let Some(dispatch) = dispatches.recv().await {
            let sequence = dispatch.sequence;
            if self.handle(dispatch, &mut kept, &hands).await.is_err() {
                return;
            }
            if let Some(session) = &mut kept.session {
                session.sequence = sequence;
            }
            unsaved += 1;
            if unsaved >= SAVE_EVERY || dispatches.is_empty() {
                match self.save(&kept, hands.inbox).await {
                    Ok(()) => unsaved = 0,
                    // The next one saves it; what is read twice is found admitted.
                    Err(error) => {
                        tracing::warn!(%error, "how far Discord's gateway was read is not kept yet");
                    }
                }
            }
        }
        if unsaved > 0
            && let Err(error) = self.save(&kept, hands.inbox).await
        {
            tracing::warn!(%error, "how far Discord's gateway was read is not kept");
        }
    }

    async fn save(&self, kept: &Kept, inbox: &dyn Inbox) -> Result<(), AdmitError> {
        let text = serde_json::to_string(kept)
            .map_err(|error| AdmitError::Unavailable(error.to_string()))?;
        inbox.set_cursor(&self.name, CURSOR, &text).await
    }

    async fn handle(
        &self,
        dispatch: Dispatch,
        kept: &mut Kept,
        hands: &Hands<'_>,
    ) -> Result<(), Stopped> {
        let event = match Event::read(&dispatch.name, dispatch.data) {
            Ok(event) => event,
            Err(error) => {
                super::skipped(&dispatch.name, &error);
                return Ok(());
            }
        };
        match event {
            Event::Ready(ready) => {
                self.learn_me(ready.user.id);
                let first = kept.session.is_none();
                kept.session = Some(Session {
                    id: ready.session_id,
                    url: ready.resume_gateway_url,
                    sequence: dispatch.sequence,
                });
                if first {
                    Ok(())
                } else {
                    self.catch_up(kept, hands).await
                }
            }
            Event::Message(message) => self.handle_message(&message, kept, hands).await,
            Event::Edit(message) => {
                let Some(me) = self.who_am_i(hands.stop).await? else {
                    return Ok(());
                };
                let reading = self
                    .until_placed(hands.stop, || self.read_edit(&message, me))
                    .await?;
                self.hand_in(reading, hands).await
            }
            Event::Interaction(interaction) => {
                self.handle_interaction(&interaction, kept, hands).await
            }
            Event::ChannelGone(channel) => self.close_thread(channel, hands).await,
            Event::Other => Ok(()),
        }
    }

    async fn handle_message(
        &self,
        message: &Message,
        kept: &mut Kept,
        hands: &Hands<'_>,
    ) -> Result<(), Stopped> {
        let Some(me) = self.who_am_i(hands.stop).await? else {
            return Ok(());
        };
        let reading = self
            .until_placed(hands.stop, || self.read_message(message, me))
            .await?;
        let from = match &reading {
            Some(Reading::Inbound(inbound)) => Some(inbound.from.clone()),
            _ => None,
        };
        self.hand_in(reading, hands).await?;
        if let Some(from) = from {
            kept.note_inbound(message.channel_id, message.guild_id, message.id, &from);
        }
        Ok(())
    }

    async fn hand_in(&self, reading: Option<Reading>, hands: &Hands<'_>) -> Result<(), Stopped> {
        match reading {
            Some(Reading::Inbound(message)) => {
                let admit = || hands.inbox.admit((*message).clone());
                self.until_stored(hands.stop, admit).await.map(drop)
            }
            Some(Reading::Receipt(receipt)) => {
                let settle = || hands.inbox.settle(&self.name, receipt.clone());
                self.until_stored(hands.stop, settle).await
            }
            Some(Reading::Unreadable(place)) => {
                self.say_unreadable(place).await;
                Ok(())
            }
            Some(Reading::Nothing) | None => Ok(()),
        }
    }

    /// Discord gives three seconds: it is answered when the message is admitted, or a little before they are over. That
    /// is no acknowledgement to the gateway; there the message counts as read only when it is admitted.
    async fn handle_interaction(
        &self,
        interaction: &Interaction,
        kept: &mut Kept,
        hands: &Hands<'_>,
    ) -> Result<(), Stopped> {
        let taken = match timeout(PLACE_TIMEOUT, self.read_interaction(interaction)).await {
            Ok(Ok(taken)) => taken,
            failed => {
                let reason = match failed {
                    Ok(Err(error)) => error.to_string(),
                    _ => "it took too long".to_owned(),
                };
                tracing::warn!(%reason, "an interaction could not be placed; its customer is asked to try again");
                let language = language_of(interaction);
                let words = words::say(&words::TRY_AGAIN, language.as_ref());
                self.answer(interaction, whispered(words), hands).await;
                return Ok(());
            }
        };
        let Some(message) = taken.message else {
            self.answer(interaction, taken.response, hands).await;
            return Ok(());
        };
        if let Some(place) = taken.answered_at {
            self.keep_command(place, &message.external_id, &interaction.token)
                .await;
        }
        let admit = || hands.inbox.admit(message.clone());
        let admission = self.until_stored(hands.stop, admit);
        tokio::pin!(admission);
        let in_time = timeout(STORE_TIMEOUT, &mut admission).await;
        self.answer(interaction, taken.response, hands).await;
        match in_time {
            Ok(admitted) => admitted?,
            Err(_) => admission.await?,
        };
        if let Some(channel) = interaction.channel_id {
            let last = MessageId::new(interaction.id.get());
            kept.note_inbound(channel, interaction.guild_id, last, &message.from);
        }
        Ok(())
    }

    async fn answer(
        &self,
        interaction: &Interaction,
        response: CreateInteractionResponse,
        hands: &Hands<'_>,
    ) {
        let response = Response {
            id: interaction.id,
            token: interaction.token.clone(),
            response,
        };
        // It ends only with us.
        let _ = hands.responses.send(response).await;
    }

    /// Answers interactions side by side, so that one slow answer costs no other its three seconds.
    async fn respond_all(&self, waiting: mpsc::Receiver<Response>) {
        let waiting = stream::unfold(waiting, |mut waiting| async move {
            let next = waiting.recv().await?;
            Some((next, waiting))
        });
        waiting
            .for_each_concurrent(RESPONSES, |given| async move {
                let responded = self.rest.respond(given.id, &given.token, &given.response).await;
                match responded {
                    Ok(()) => {}
                    // Unknown interaction, already acknowledged: too late, or another instance was faster.
                    Err(error) if matches!(error.code(), Some(10062 | 40060)) => {
                        tracing::debug!(interaction = %given.id, %error, "an interaction was not to be answered any more");
                    }
                    Err(error) => {
                        tracing::warn!(interaction = %given.id, %error, "an interaction could not be answered");
                    }
                }
            })
            .await;
    }

    async fn close_thread(&self, channel: ChannelId, hands: &Hands<'_>) -> Result<(), Stopped> {
        let customer = self
            .until_stored(hands.stop, || self.places.customer_of(channel))
            .await?;
        let Some(customer) = customer else {
            return Ok(());
        };
        let address = Place::Thread { channel, customer }.address(&self.name);
        let close = || hands.inbox.close(&address, "the thread was deleted");
        self.until_stored(hands.stop, close).await
    }

    /// Between two sessions nothing is replayed: what was written meanwhile is asked for, in the conversations that were
    /// the last to have news.
    async fn catch_up(&self, kept: &mut Kept, hands: &Hands<'_>) -> Result<(), Stopped> {
        for recent in kept.recent.clone().into_iter().rev() {
            self.catch_up_in(recent, kept, hands).await?;
        }
        Ok(())
    }

    async fn catch_up_in(
        &self,
        mut recent: Recent,
        kept: &mut Kept,
        hands: &Hands<'_>,
    ) -> Result<(), Stopped> {
        for _ in 0..PAGES {
            let page = match self.rest.messages_after(recent.channel, recent.last).await {
                Ok(page) => page,
                Err(error) => {
                    tracing::warn!(channel = %recent.channel, %error, "what was missed here could not be asked for");
                    return Ok(());
                }
            };
            let more = page.len() >= PAGE;
            for message in page.into_iter().rev() {
                match serde_json::from_value::<Message>(message) {
                    Ok(mut message) => {
                        recent.last = recent.last.max(message.id);
                        // Over HTTP messages do not say where they were written.
                        message.guild_id = recent.guild;
                        self.handle_message(&message, kept, hands).await?;
                    }
                    Err(error) => super::skipped("message", &error),
                }
            }
            if !more {
                break;
            }
        }
        Ok(())
    }

    /// The customer is told once that what they write without a mention cannot be read there.
    async fn say_unreadable(&self, place: Place) {
        let Place::Thread { channel, .. } = place else {
            return;
        };
        if !self.is_first_time(channel) {
            return;
        }
        let note = render::note(words::say(&words::UNREADABLE, None));
        let note = serde_json::to_value(note.create(format!("note{channel}")));
        let Ok(note) = note else { return };
        if let Err(error) = self.rest.create_message(channel, Body::Json(note)).await {
            tracing::warn!(%channel, %error, "a customer could not be told that their message was not read");
        }
    }

    /// Who the bot is: READY says so, before any message.
    async fn who_am_i(&self, stop: &CancellationToken) -> Result<Option<UserId>, Stopped> {
        if let Some(me) = self.known_me() {
            return Ok(Some(me));
        }
        // A session that was taken up again after a restart has no READY.
        let asked = self
            .until_placed(stop, || async { Ok(self.rest.me().await?) })
            .await?;
        if let Some(me) = &asked {
            self.learn_me(me.id);
        }
        Ok(asked.map(|me| me.id))
    }

    async fn register_commands(&self, stop: &CancellationToken) {
        if !self.config.register_commands {
            return;
        }
        let commands = words::commands();
        let mut pause = Duration::from_secs(1);
        loop {
            match self.rest.set_commands(self.application, &commands).await {
                Ok(()) => return,
                Err(error @ CallError::Refused { .. }) => {
                    tracing::error!(%error, "the slash commands could not be registered: check application_id and token");
                    return;
                }
                Err(error) => {
                    tracing::warn!(%error, "the slash commands are not registered yet");
                }
            }
            tokio::select! {
                () = sleep(pause) => pause = (pause * 2).min(Duration::from_secs(300)),
                () = stop.cancelled() => return,
            }
        }
    }

    /// Does it until the store has it. Meanwhile the gateway's messages wait, and nothing is lost.
    async fn until_stored<T, F: Future<Output = Result<T, AdmitError>>>(
        &self,
        stop: &CancellationToken,
        attempt: impl Fn() -> F,
    ) -> Result<T, Stopped> {
        let mut pause = FIRST_PAUSE;
        loop {
            match attempt().await {
                Ok(done) => return Ok(done),
                Err(error) => tracing::warn!(%error, "what Discord brought waits for the store"),
            }
            wait(&mut pause, stop).await?;
        }
    }

    /// Does it until the store and Discord allow it; `None` when Discord refuses it for good.
    async fn until_placed<T, F: Future<Output = Result<T, PlaceError>>>(
        &self,
        stop: &CancellationToken,
        attempt: impl Fn() -> F,
    ) -> Result<Option<T>, Stopped> {
        let mut pause = FIRST_PAUSE;
        loop {
            match attempt().await {
                Ok(done) => return Ok(Some(done)),
                // A token that is not valid is put right by a person, and then all waits no longer.
                Err(PlaceError::Call(error @ CallError::Refused { status, .. }))
                    if status != 401 =>
                {
                    tracing::error!(%error, "a message has no place and is not read");
                    super::skipped("MESSAGE_CREATE", &error);
                    return Ok(None);
                }
                Err(error) => tracing::warn!(%error, "a message from Discord waits for its place"),
            }
            wait(&mut pause, stop).await?;
        }
    }
}

async fn wait(pause: &mut Duration, stop: &CancellationToken) -> Result<(), Stopped> {
    tokio::select! {
        () = sleep(*pause) => {
            *pause = (*pause * 2).min(LONGEST_PAUSE);
            Ok(())
        }
        () = stop.cancelled() => Err(Stopped),
    }
}
