//! Telegram, by its Bot API (<https://core.telegram.org/bots/api>).
//!
//! | file | what it does |
//! |---|---|
//! | `config` | the section, checked |
//! | `api` | requests to a Bot API server, and what went wrong with them |
//! | `update`, `inbound` | what Telegram tells, and what a customer said by it |
//! | `albums` | files that were sent together are one message |
//! | `listen` | the menu, the webhook, long polling |
//! | `compose`, `html`, `buttons`, `pictures` | one of our messages as Telegram shows it |
//! | `send` | sending it, and what became of it |
//! | [`simulator`] | Telegram, played on loopback |

mod albums;
mod api;
mod buttons;
mod commands;
mod compose;
mod config;
mod html;
mod inbound;
mod listen;
mod pictures;
mod place;
mod send;
pub mod simulator;
#[cfg(test)]
pub(crate) mod tests;
mod update;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use chrono::TimeDelta;
use doorstep_core::{
    Ambient, ChannelName, Health, Timestamp,
    attachment::{Attachment, AttachmentPlace, AttachmentStream, FetchError},
    channel::{
        Capabilities, Channel, Diagnosis, Inbox, Preview, Rate, Receipt, SendError, SendRates,
        WebhookOutcome,
    },
    message::{Address, OutboundMessage},
    webhook::{WebhookRejection, WebhookRequest},
};
use futures::{StreamExt, TryStreamExt};
use hmac::{Hmac, KeyInit, Mac};
use secrecy::ExposeSecret;
use serde::Deserialize;
use sha2::Sha256;
use subtle::ConstantTimeEq;
use teloxide_core::{
    payloads::{
        AnswerCallbackQuery, GetFile, GetMe, GetMyCommands, GetWebhookInfo, SendChatAction,
    },
    types::{BotCommand, ChatAction},
};
use tokio_util::sync::CancellationToken;

pub use self::config::{Command, Config};
use self::{
    albums::{Albums, Collected},
    api::{BotApi, CallError, told},
    buttons::Data,
    config::Settings,
    inbound::{AlbumPart, Heard, Pressed, hear, is_link_token},
    listen::WebhookInfo,
    pictures::Pictures,
    place::Place,
    send::GroupLimit,
    update::{NotAnUpdate, Update},
};
use crate::{Channels, InvalidSetting, Surroundings};

/// The configured name.
pub const NAME: &str = "telegram";

/// The header in which Telegram gives back the secret of its webhook.
/// <https://core.telegram.org/bots/api#setwebhook>
const SECRET_HEADER: &str = "x-telegram-bot-api-secret-token";

/// How long the same button, pressed again, is the same press: a double click.
const DOUBLE_CLICK: TimeDelta = TimeDelta::seconds(2);

/// A bot.
pub struct Telegram {
    name: ChannelName,
    capabilities: Capabilities,
    settings: Settings,
    api: Arc<BotApi>,
    inbox: Arc<dyn Inbox>,
    ambient: Ambient,
    /// What Telegram has to show when it calls us. Made from the token, so that every instance knows it.
    webhook_secret: String,
    albums: Albums,
    pictures: Pictures,
    groups: GroupLimit,
    /// The last presses, each with its identifier and when it came.
    presses: Mutex<HashMap<String, (String, Timestamp)>>,
}

/// What `getMe` says.
#[derive(Deserialize)]
struct Me {
    #[serde(default)]
    username: String,
}

/// What `getFile` says.
#[derive(Deserialize)]
struct FilePath {
    file_path: Option<String>,
}

impl Telegram {
    /// A bot as configured; `inbox` keeps what has to outlive this process. Connects to nothing yet.
    ///
    /// # Errors
    /// A setting with which it cannot work.
    pub fn new(
        config: &Config,
        inbox: Arc<dyn Inbox>,
        ambient: Ambient,
    ) -> Result<Self, InvalidSetting> {
        let settings = config.settings()?;
        let api = BotApi::new(settings.api_url.clone(), settings.token.clone());
        let api = api.map_err(|error| {
            InvalidSetting::new(
                NAME,
                "api_url",
                format!("no HTTPS client can be made ({error})"),
                "report this",
            )
        })?;
        let name = ChannelName::from(NAME);
        Ok(Self {
            albums: Albums::new(name.clone(), inbox.clone(), ambient.clock.clone()),
            capabilities: capabilities(),
            webhook_secret: webhook_secret(&settings),
            api: Arc::new(api),
            pictures: Pictures::default(),
            groups: GroupLimit::default(),
            presses: Mutex::default(),
            name,
            settings,
            inbox,
            ambient,
        })
    }

    /// What an update comes to, the same for webhooks and polls. Parts of albums are in the store afterwards.
    async fn take(&self, update: Update) -> WebhookOutcome {
        let mut outcome = WebhookOutcome::default();
        match hear(update, &self.settings, self.ambient.now()) {
            Heard::Message(message) => outcome.messages.push(*message),
            Heard::AlbumPart(part) => outcome.messages.extend(self.collect(*part).await),
            Heard::Press(press) => outcome.messages.extend(self.press(*press).await),
            Heard::Closed(address, reason) => outcome.closed.push((address, reason)),
            Heard::Skipped(reason) => self.skipped(reason),
        }
        outcome
    }

    /// Keeps a part of an album. Where the store is away, the part is handed on alone: then that is refused as well, and
    /// Telegram tells it again.
    async fn collect(&self, part: AlbumPart) -> Option<doorstep_core::message::InboundMessage> {
        match self.albums.add(&part).await {
            Ok(Collected::Kept) => None,
            Ok(Collected::Alone(message)) => Some(*message),
            Err(_) => part.addressed.then_some(part.message),
        }
    }

    /// A press as the message it is; `None` when it means nothing any more, which the customer is told.
    async fn press(&self, press: Pressed) -> Option<doorstep_core::message::InboundMessage> {
        let mut message = press.message;
        if self.is_double_click(&message.answers, &press.data, &press.query) {
            self.answer_press(press.query, None);
            return None;
        }
        let data = press.data.as_deref().and_then(buttons::read);
        message.button = match data {
            Some(Data::Value(value)) => Some(value.to_owned()),
            Some(Data::Stored(name)) => {
                // A store that is away refuses the message itself next.
                let stored = self.inbox.cursor(&self.name, name).await;
                stored.ok().flatten()
            }
            None => None,
        };
        if message.button.is_none() && message.text.is_empty() {
            let stale = commands::stale(press.language.as_deref());
            self.answer_press(press.query, Some(stale));
            self.skipped("stale_button");
            return None;
        }
        self.answer_press(press.query, None);
        Some(message)
    }

    fn is_double_click(&self, on: &Option<String>, data: &Option<String>, query: &str) -> bool {
        let (Some(on), Some(data)) = (on, data) else {
            return false;
        };
        let now = self.ambient.now();
        let mut presses = self.presses.lock().unwrap_or_else(PoisonError::into_inner);
        presses.retain(|_, (_, at)| now - *at < DOUBLE_CLICK);
        let (first, _) = presses
            .entry(format!("{on} {data}"))
            .or_insert_with(|| (query.to_owned(), now));
        first != query
    }

    /// Ends the spinner on the button. Best effort: the press counts without it.
    fn answer_press(&self, query: String, text: Option<&'static str>) {
        let api = self.api.clone();
        tokio::spawn(async move {
            let mut payload = AnswerCallbackQuery::new(query.into());
            payload.text = text.map(ToOwned::to_owned);
            if let Err(error) = api.tell(&payload).await {
                tracing::debug!(%error, "a pressed button could not be answered");
            }
        });
    }

    fn skipped(&self, reason: &'static str) {
        tracing::debug!(reason, "an update is not for us");
        metrics::counter!("doorstep_updates_skipped_total", "channel" => NAME, "reason" => reason)
            .increment(1);
    }

    async fn me(&self) -> Result<Me, CallError> {
        self.api.call(&GetMe::new()).await
    }

    /// Whether the bot is the one of the section.
    fn same_name(&self, me: &Me) -> Health {
        if me.username.eq_ignore_ascii_case(&self.settings.username) {
            return Health::Ok;
        }
        Health::Degraded {
            reason: format!(
                "the token is @{}'s; set channels.telegram.username to it, or groups and links will not work",
                me.username
            ),
        }
    }

    async fn webhook_health(&self) -> Health {
        let info: Result<WebhookInfo, CallError> = self.api.call(&GetWebhookInfo::new()).await;
        let info = match info {
            Ok(info) => info,
            Err(error) => return down(&error),
        };
        let wanted = self.settings.webhook_url.as_ref().map(ToString::to_string);
        if info.url != wanted.clone().unwrap_or_default() {
            let reason = match wanted {
                Some(_) => "it is not set: `doorstep serve` sets it".to_owned(),
                None => {
                    "one is set, and updates do not come by polling: `doorstep serve` removes it"
                        .to_owned()
                }
            };
            return Health::Degraded { reason };
        }
        match info.last_error_message {
            Some(error) if info.pending_update_count > 0 => Health::Degraded {
                reason: format!(
                    "Telegram could not deliver {} updates: {error}",
                    info.pending_update_count
                ),
            },
            _ => Health::Ok,
        }
    }

    async fn menu_health(&self) -> Health {
        let set: Result<Vec<BotCommand>, CallError> = self.api.call(&GetMyCommands::new()).await;
        match set {
            Ok(set) if set == listen::entries(&self.settings.commands, None) => Health::Ok,
            Ok(_) => Health::Degraded {
                reason: "it is another one: `doorstep serve` sets it".to_owned(),
            },
            Err(error) => down(&error),
        }
    }
}

#[async_trait]
impl Channel for Telegram {
    fn name(&self) -> &ChannelName {
        &self.name
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    async fn listen(&self, inbox: Arc<dyn Inbox>, stop: CancellationToken) {
        self.run(inbox, stop).await;
    }

    async fn receive_webhook(
        &self,
        request: &WebhookRequest,
    ) -> Result<WebhookOutcome, WebhookRejection> {
        let given = request.header(SECRET_HEADER)?.as_bytes();
        if !bool::from(given.ct_eq(self.webhook_secret.as_bytes())) {
            return Err(WebhookRejection::BadSignature);
        }
        let update = Update::parse(&request.body).map_err(|error| WebhookRejection::Malformed {
            reason: match error {
                NotAnUpdate::NotJson => "the body is no JSON object".to_owned(),
                NotAnUpdate::WithoutId => "`update_id` is missing".to_owned(),
            },
        })?;
        Ok(self.take(update).await)
    }

    async fn send(
        &self,
        address: &Address,
        message: &OutboundMessage,
    ) -> Result<Receipt, SendError> {
        self.deliver(address, message).await
    }

    async fn fetch(&self, attachment: &Attachment) -> Result<AttachmentStream, FetchError> {
        let AttachmentPlace::Provider(id) = &attachment.place else {
            return Err(FetchError::Fail {
                reason: "Telegram has no such file".to_owned(),
            });
        };
        let file: Result<FilePath, CallError> =
            self.api.call(&GetFile::new(id.clone().into())).await;
        let file = file.map_err(not_fetched)?;
        let path = file.file_path.ok_or_else(|| FetchError::Retry {
            after: None,
            reason: "Telegram has the file, but not at hand".to_owned(),
        })?;
        let later = |reason: String| FetchError::Retry {
            after: None,
            reason,
        };
        // The path is good for an hour; the next attempt asks for a new one.
        let response = self
            .api
            .download(&path)
            .await
            .map_err(|error| later(told(error)))?;
        let response = response
            .error_for_status()
            .map_err(|error| later(told(error)))?;
        let stream = response.bytes_stream();
        Ok(stream.map_err(move |error| later(told(error))).boxed())
    }

    async fn show_typing(&self, address: &Address, _message: &str) {
        let Some(place) = Place::parse(&address.id) else {
            return;
        };
        let mut payload = SendChatAction::new(place.recipient(), ChatAction::Typing);
        payload.message_thread_id = place.thread();
        if let Err(error) = self.api.tell(&payload).await {
            tracing::debug!(%error, "typing could not be shown");
        }
    }

    fn deep_link(&self, token: &str) -> Option<String> {
        let username = &self.settings.username;
        is_link_token(token).then(|| format!("https://t.me/{username}?start={token}"))
    }

    fn preview(&self, message: &OutboundMessage) -> Result<Vec<Preview>, SendError> {
        self.previews(message)
    }

    async fn healthcheck(&self) -> Health {
        match self.me().await {
            Ok(me) => self.same_name(&me),
            Err(error) => down(&error),
        }
    }

    async fn diagnose(&self) -> Vec<Diagnosis> {
        let diagnosis = |what: &str, health: Health| Diagnosis {
            what: what.to_owned(),
            health,
        };
        let me = match self.me().await {
            Ok(me) => me,
            Err(error) => return vec![diagnosis("the token is valid", down(&error))],
        };
        let updates = match &self.settings.webhook_url {
            Some(_) => "the webhook is set and reached",
            None => "no webhook stands in the way of polling",
        };
        vec![
            diagnosis("the token is valid", Health::Ok),
            diagnosis("the user name is the bot's", self.same_name(&me)),
            diagnosis(updates, self.webhook_health().await),
            diagnosis("the menu of commands is set", self.menu_health().await),
        ]
    }
}

fn capabilities() -> Capabilities {
    Capabilities {
        buttons: true,
        cards: true,
        images: true,
        // Longer texts are split here, since cards and captions have limits of their own.
        max_text: compose::MAX_TEXT,
        // <https://core.telegram.org/bots/faq#my-bot-is-hitting-limits-how-do-i-avoid-this>
        rates: SendRates {
            per_address: Some(Rate {
                messages: 1,
                per: Duration::from_secs(1),
            }),
            overall: Some(Rate {
                messages: 30,
                per: Duration::from_secs(1),
            }),
        },
        ..Capabilities::default()
    }
}

/// Allowed are letters, digits, underscore and dash, up to 256 of them.
fn webhook_secret(settings: &Settings) -> String {
    let key = settings.token.expose_secret().as_bytes();
    #[allow(clippy::expect_used, reason = "HMAC takes keys of any length")]
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("any length");
    mac.update(b"webhook secret");
    let bytes = mac.finalize().into_bytes();
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn down(error: &CallError) -> Health {
    let advice = match error {
        CallError::Refused(refusal) if matches!(refusal.code, 401 | 404) => {
            "; ask BotFather for a new token"
        }
        _ => "",
    };
    Health::Down {
        reason: format!("{error}{advice}"),
    }
}

fn not_fetched(error: CallError) -> FetchError {
    let reason = error.to_string();
    match error {
        CallError::Refused(refusal) if refusal.code == 400 => FetchError::Fail { reason },
        CallError::Refused(refusal) => FetchError::Retry {
            after: refusal.retry_after,
            reason,
        },
        CallError::NotSent(_) | CallError::Unknown(_) => FetchError::Retry {
            after: None,
            reason,
        },
    }
}

/// Whether a bot could work with the section.
pub(crate) fn check(config: &Config) -> Result<(), InvalidSetting> {
    config.settings().map(drop)
}

/// Opens the Telegram channel of the configuration.
pub(crate) fn open(
    config: Config,
    surroundings: &Surroundings,
    channels: &mut Channels,
) -> Result<(), InvalidSetting> {
    let telegram = Telegram::new(
        &config,
        surroundings.inbox.clone(),
        surroundings.ambient.clone(),
    )?;
    channels.add(Arc::new(telegram));
    Ok(())
}
