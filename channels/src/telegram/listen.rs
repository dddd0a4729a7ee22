//! Hearing from Telegram: the menu and the webhook are set, and without a webhook updates are fetched by long polling.
//!
//! `getUpdates` confirms what it is asked beyond, so it is asked beyond an update only when that update was admitted (G1);
//! what is told twice is known by its identifier (G2).

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, TimeDelta};
use doorstep_core::{Timestamp, channel::Inbox};
use serde::Deserialize;
use serde_json::Value;
use teloxide_core::{
    payloads::{DeleteWebhook, GetUpdates, SetMyCommands, SetWebhook},
    types::{AllowedUpdate, BotCommand},
};
use tokio::time::{MissedTickBehavior, interval, sleep};
use tokio_util::sync::CancellationToken;

use super::{
    Telegram,
    api::CallError,
    commands,
    config::Command,
    update::{KINDS, Update},
};

/// How often the time is looked at while something is waited for.
const TICK: Duration = Duration::from_millis(200);

/// How much longer than agreed a long poll may take before it counts as stalled.
const PATIENCE: TimeDelta = TimeDelta::seconds(15);

/// The wait after a first failure; it doubles with each one.
const FIRST_WAIT: Duration = Duration::from_secs(1);

/// The longest wait after failures.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// How often the menu is tried to be set.
const MENU_TRIES: u32 = 8;

/// The wait when another instance polls: it has the updates.
const WAIT_FOR_OTHER: Duration = Duration::from_secs(30);

/// The wait after a poll that a server answered at once with nothing.
const WAIT_FOR_NEWS: Duration = Duration::from_millis(500);

/// After a week without updates their numbers start anew
/// (<https://core.telegram.org/bots/api#update>): an offset of before would hide them.
const OFFSET_GOOD_FOR: TimeDelta = TimeDelta::days(6);

/// How often albums are looked for that another instance left half-way.
const RECOVER_EVERY: TimeDelta = TimeDelta::minutes(1);

/// Where the offset is kept.
const OFFSET: &str = "offset";

/// Where a webhook goes.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct WebhookInfo {
    pub(super) url: String,
    pub(super) pending_update_count: u64,
    pub(super) last_error_message: Option<String>,
}

/// How far updates were admitted: the number of the next one, and when that became known.
#[derive(Debug, Clone, Copy)]
struct Offset {
    next: i64,
    at: Timestamp,
}

impl Telegram {
    pub(super) async fn run(&self, inbox: Arc<dyn Inbox>, stop: CancellationToken) {
        tokio::select! {
            // Whoever is told to stop asks nothing any more: a poll would end another instance's.
            biased;
            () = stop.cancelled() => {}
            () = self.keep_albums() => {}
            () = self.hear_updates(&*inbox) => {}
            () = self.keep_menu() => {}
        }
    }

    /// Admits albums when they are complete, those of a crash too.
    async fn keep_albums(&self) {
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut recovered_at: Option<Timestamp> = None;
        loop {
            ticks.tick().await;
            let now = self.ambient.now();
            if recovered_at.is_none_or(|at| now - at >= RECOVER_EVERY) {
                match self.albums.recover().await {
                    Ok(()) => recovered_at = Some(now),
                    Err(error) => {
                        tracing::warn!(%error, "half-way albums could not be looked for");
                    }
                }
            }
            self.albums.admit_complete().await;
        }
    }

    async fn hear_updates(&self, inbox: &dyn Inbox) {
        match &self.settings.webhook_url {
            Some(url) => self.set_webhook(url.clone()).await,
            None => self.poll(inbox).await,
        }
        std::future::pending().await
    }

    /// Sets the menu, on a few tries: nothing depends on it.
    async fn keep_menu(&self) {
        let mut wait = FIRST_WAIT;
        for _ in 0..MENU_TRIES {
            match self.set_menu().await {
                Ok(()) => break,
                Err(error) => {
                    tracing::warn!(%error, "the menu of commands could not be set");
                }
            }
            sleep(wait).await;
            wait = (wait * 2).min(LONGEST_WAIT);
        }
        std::future::pending().await
    }

    /// The menu, in English for everybody and in each language for those who have it.
    async fn set_menu(&self) -> Result<(), CallError> {
        let menu = &self.settings.commands;
        let languages = commands::languages(menu);
        let languages = std::iter::once(None).chain(languages.into_iter().map(Some));
        for language in languages {
            let mut payload = SetMyCommands::new(entries(menu, language));
            payload.language_code = language.map(ToOwned::to_owned);
            self.api.tell(&payload).await?;
        }
        Ok(())
    }

    async fn set_webhook(&self, url: reqwest::Url) {
        let mut payload = SetWebhook::new(url);
        payload.allowed_updates = Some(allowed());
        payload.secret_token = Some(self.webhook_secret.clone());
        let mut wait = FIRST_WAIT;
        while let Err(error) = self.api.tell(&payload).await {
            tracing::warn!(%error, "the webhook could not be set");
            sleep(wait).await;
            wait = (wait * 2).min(LONGEST_WAIT);
        }
    }

    async fn poll(&self, inbox: &dyn Inbox) {
        let mut offset = self.stored_offset(inbox).await;
        let mut wait = FIRST_WAIT;
        // While a webhook is set, nothing can be fetched.
        let mut webhook_set = true;
        loop {
            if webhook_set {
                let removed = self.api.tell(&DeleteWebhook::new()).await;
                webhook_set = removed.is_err();
            }
            let began = self.ambient.now();
            let Some(answer) = self.watched(self.fetch(offset)).await else {
                tracing::warn!("a long poll stalled and is begun again");
                metrics::counter!("doorstep_polls_stalled_total", "channel" => super::NAME)
                    .increment(1);
                continue;
            };
            let updates = match answer {
                Ok(updates) => updates,
                Err(error) => {
                    let pause = pause(&error, wait);
                    webhook_set |= is_conflict(&error);
                    tracing::warn!(%error, "updates could not be fetched");
                    sleep(pause).await;
                    wait = (wait * 2).min(LONGEST_WAIT);
                    continue;
                }
            };
            let nothing = updates.is_empty();
            if self.admit_all(inbox, updates, &mut offset).await {
                wait = FIRST_WAIT;
            } else {
                sleep(wait).await;
                wait = (wait * 2).min(LONGEST_WAIT);
            }
            if nothing && self.ambient.now() - began < TimeDelta::seconds(1) {
                sleep(WAIT_FOR_NEWS).await;
            }
        }
    }

    async fn fetch(&self, offset: Option<Offset>) -> Result<Vec<Value>, CallError> {
        let now = self.ambient.now();
        let offset = offset.filter(|offset| now - offset.at < OFFSET_GOOD_FOR);
        let mut payload = GetUpdates::new();
        payload.offset = offset.and_then(|offset| i32::try_from(offset.next).ok());
        payload.timeout = Some(self.settings.poll_timeout_s);
        payload.allowed_updates = Some(allowed());
        self.api.wait(&payload).await
    }

    /// Waits for a poll as long as was agreed, by the injected clock; `None` when it stalled.
    async fn watched<T>(&self, poll: impl Future<Output = T>) -> Option<T> {
        let began = self.ambient.now();
        let patience = TimeDelta::seconds(self.settings.poll_timeout_s.into()) + PATIENCE;
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        tokio::pin!(poll);
        loop {
            tokio::select! {
                answer = &mut poll => return Some(answer),
                _ = ticks.tick() => {
                    if self.ambient.now() - began > patience {
                        return None;
                    }
                }
            }
        }
    }

    /// Admits updates in their order, and moves the offset behind each. `false` when the store was away: what is left is
    /// told again.
    async fn admit_all(
        &self,
        inbox: &dyn Inbox,
        updates: Vec<Value>,
        offset: &mut Option<Offset>,
    ) -> bool {
        let before = offset.map(|offset| offset.next);
        let mut admitted = true;
        for update in updates {
            let Ok(update) = Update::read(update) else {
                self.skipped("not_an_update");
                continue;
            };
            let id = update.id;
            if let Err(error) = self.admit_one(inbox, update).await {
                tracing::warn!(%error, update = id, "an update could not be admitted and is fetched again");
                admitted = false;
                break;
            }
            let at = self.ambient.now();
            // An update that is told late must not bring back those after it.
            let next = offset.map_or(id + 1, |offset| offset.next.max(id + 1));
            *offset = Some(Offset { next, at });
        }
        if let Some(now) = offset.filter(|now| Some(now.next) != before) {
            let value = format!("{} {}", now.next, now.at.timestamp());
            if let Err(error) = inbox.set_cursor(&self.name, OFFSET, &value).await {
                // Telegram has its own; this one only saves updates from being told twice.
                tracing::warn!(%error, "the offset could not be stored");
            }
        }
        admitted
    }

    async fn admit_one(
        &self,
        inbox: &dyn Inbox,
        update: Update,
    ) -> Result<(), doorstep_core::channel::AdmitError> {
        let outcome = self.take(update).await;
        for message in outcome.messages {
            inbox.admit(message).await?;
        }
        for (address, reason) in outcome.closed {
            inbox.close(&address, &reason).await?;
        }
        Ok(())
    }

    async fn stored_offset(&self, inbox: &dyn Inbox) -> Option<Offset> {
        let mut wait = FIRST_WAIT;
        let stored = loop {
            match inbox.cursor(&self.name, OFFSET).await {
                Ok(stored) => break stored?,
                Err(error) => {
                    tracing::warn!(%error, "the offset could not be read");
                    sleep(wait).await;
                    wait = (wait * 2).min(LONGEST_WAIT);
                }
            }
        };
        let (next, at) = stored.split_once(' ')?;
        Some(Offset {
            next: next.parse().ok()?,
            at: DateTime::from_timestamp(at.parse().ok()?, 0)?,
        })
    }
}

/// The menu's entries in a language.
pub(super) fn entries(menu: &[Command], language: Option<&str>) -> Vec<BotCommand> {
    menu.iter()
        .map(|command| BotCommand::new(command.name.clone(), command.text(language)))
        .collect()
}

fn allowed() -> Vec<AllowedUpdate> {
    let read = |kind: &&str| serde_json::from_value(Value::from(*kind)).ok();
    KINDS.iter().filter_map(read).collect()
}

fn is_conflict(error: &CallError) -> bool {
    matches!(error, CallError::Refused(refusal) if refusal.code == 409)
}

fn pause(error: &CallError, wait: Duration) -> Duration {
    match error {
        CallError::Refused(refusal) if refusal.retry_after.is_some() => {
            refusal.retry_after.unwrap_or(wait)
        }
        CallError::Refused(refusal)
            if refusal.code == 409 && !refusal.description.contains("webhook") =>
        {
            WAIT_FOR_OTHER
        }
        _ => wait,
    }
}
