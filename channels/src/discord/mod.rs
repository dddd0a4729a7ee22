//! Discord: direct messages, and private threads below a support channel.
//!
//! serenity gives the types and the builders of what is sent. The gateway and the HTTP API are spoken here: serenity's
//! shard cannot take up a session of before a restart, and its HTTP client waits out rate limits and hides whether a
//! request left, both of which a delivery has to know (G1, G2).

mod address;
mod calls;
mod config;
mod deliver;
mod diagnose;
mod files;
mod gateway;
mod inbound;
mod limits;
mod listen;
mod markdown;
mod pending;
mod places;
mod render;
mod rest;
mod signature;
pub mod simulator;
#[cfg(test)]
pub(crate) mod tests;
mod wire;
mod words;

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use doorstep_core::{
    Ambient, ChannelName, Health,
    attachment::{Attachment, AttachmentStream, FetchError},
    channel::{
        Capabilities, Channel, Diagnosis, Inbox, Preview, Rate, Receipt, SendError, SendRates,
        WebhookOutcome,
    },
    message::{Address, OutboundMessage},
    webhook::{WebhookRejection, WebhookRequest},
};
use serenity::model::id::{ApplicationId, ChannelId, UserId};
use tokio_util::sync::CancellationToken;

pub use self::config::{API_URL, Config};
use self::{
    address::Place,
    deliver::Progress,
    inbound::{language_of, whispered},
    pending::Pending,
    places::Places,
    rest::Rest,
    signature::Verifier,
    wire::Interaction,
};
use crate::{Channels, InvalidSetting, Surroundings};

/// The configured name.
pub const NAME: &str = "discord";

/// How long an interaction over HTTP may take to be placed: Discord waits 3 s in all.
const INTERACTION_TIMEOUT: Duration = Duration::from_secs(2);

/// Above so many threads whose customers were told what cannot be read, all are forgotten.
const MANY: usize = 10_000;

/// The bot.
pub struct Discord {
    name: ChannelName,
    capabilities: Capabilities,
    config: Config,
    application: ApplicationId,
    rest: Rest,
    verifier: Option<Verifier>,
    places: Places,
    pending: Pending,
    progress: Progress,
    ambient: Ambient,
    /// The bot's own user.
    me: OnceLock<UserId>,
    /// Threads whose customers were told what cannot be read there.
    told: Mutex<HashSet<ChannelId>>,
    /// How the connection to the gateway is.
    gateway: Mutex<Health>,
}

impl Discord {
    /// The channel as configured. Connects to nothing yet. Threads and pending commands are kept in `inbox`.
    ///
    /// # Errors
    /// A setting with which the channel cannot work.
    pub fn new(
        config: Config,
        inbox: Arc<dyn Inbox>,
        ambient: Ambient,
    ) -> Result<Self, InvalidSetting> {
        config.check()?;
        let name = ChannelName::from(NAME);
        let timeout = Duration::from_secs(config.timeout_seconds.into());
        let rest = Rest::new(&config.api_url, &config.token, timeout).map_err(|reason| {
            InvalidSetting::new(
                NAME,
                "token",
                reason,
                "copy it again from the developer portal",
            )
        })?;
        let id = |text: &str| text.parse::<std::num::NonZeroU64>().ok();
        let application = id(&config.application_id).ok_or_else(|| {
            InvalidSetting::new(
                NAME,
                "application_id",
                "is missing",
                "copy it from the portal",
            )
        })?;
        let support = id(&config.support_channel).map(ChannelId::from);
        Ok(Self {
            capabilities: capabilities(&config),
            application: application.into(),
            rest,
            verifier: config::parse_public_key(&config.public_key).map(Verifier::new),
            places: Places::new(name.clone(), support, inbox.clone()),
            pending: Pending::new(name.clone(), inbox, ambient.clone()),
            progress: Progress::default(),
            me: OnceLock::new(),
            told: Mutex::default(),
            gateway: Mutex::new(Health::Ok),
            name,
            config,
            ambient,
        })
    }

    fn known_me(&self) -> Option<UserId> {
        self.me.get().copied()
    }

    fn learn_me(&self, me: UserId) {
        // It never changes.
        let _ = self.me.set(me);
    }

    /// Whether nothing was said of this thread before.
    fn is_first_time(&self, thread: ChannelId) -> bool {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.len() >= MANY {
            told.clear();
        }
        told.insert(thread)
    }

    /// How the gateway's connection is, for the health check.
    fn report(&self, health: Health) {
        *self.gateway.lock().unwrap_or_else(PoisonError::into_inner) = health;
    }

    /// Keeps a command's token; without it the answer is a message like others.
    async fn keep_command(&self, place: Place, command: &str, token: &str) {
        if let Err(error) = self.pending.keep(place, command, token).await {
            tracing::warn!(%error, "a command's answer will come as a message of its own");
        }
    }
}

fn capabilities(config: &Config) -> Capabilities {
    Capabilities {
        buttons: true,
        cards: true,
        images: true,
        // Discord knows a nonce for some minutes only: enough to ask again at once, not to send again some day.
        idempotent: false,
        max_text: markdown::MAX_TEXT,
        // Our own messages come back over the gateway with their nonces.
        receipts: config.gateway,
        rates: SendRates {
            // Buckets are obeyed as they are told; this is what they usually are.
            per_address: Some(Rate {
                messages: 5,
                per: Duration::from_secs(5),
            }),
            // 50 in all, of which other requests need some.
            overall: Some(Rate {
                messages: 40,
                per: Duration::from_secs(1),
            }),
        },
        ..Capabilities::default()
    }
}

#[async_trait]
impl Channel for Discord {
    fn name(&self) -> &ChannelName {
        &self.name
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    async fn listen(&self, inbox: Arc<dyn Inbox>, stop: CancellationToken) {
        Box::pin(self.receive(inbox, stop)).await;
    }

    /// The endpoint for interactions; messages come over the gateway alone.
    async fn receive_webhook(
        &self,
        request: &WebhookRequest,
    ) -> Result<WebhookOutcome, WebhookRejection> {
        let verifier = self.verifier.as_ref().ok_or(WebhookRejection::NotHere)?;
        verifier.verify(request)?;
        let malformed = |error: serde_json::Error| WebhookRejection::Malformed {
            reason: error.to_string(),
        };
        let interaction: Interaction = serde_json::from_slice(&request.body).map_err(malformed)?;
        let placed = tokio::time::timeout(INTERACTION_TIMEOUT, self.read_interaction(&interaction));
        let mut outcome = WebhookOutcome::default();
        let response = match placed.await {
            Ok(Ok(taken)) => {
                if let Some((place, message)) = taken.answered_at.zip(taken.message.as_ref()) {
                    self.keep_command(place, &message.external_id, &interaction.token)
                        .await;
                }
                outcome.messages.extend(taken.message);
                taken.response
            }
            failed => {
                let reason = match failed {
                    Ok(Err(error)) => error.to_string(),
                    _ => "it took too long".to_owned(),
                };
                tracing::warn!(%reason, "an interaction could not be placed; its customer is asked to try again");
                let language = language_of(&interaction);
                whispered(words::say(&words::TRY_AGAIN, language.as_ref()))
            }
        };
        outcome.reply = Some(serde_json::to_string(&response).map_err(malformed)?);
        Ok(outcome)
    }

    async fn send(
        &self,
        address: &Address,
        message: &OutboundMessage,
    ) -> Result<Receipt, SendError> {
        self.deliver(address, message).await
    }

    async fn fetch(&self, attachment: &Attachment) -> Result<AttachmentStream, FetchError> {
        files::fetch(&self.rest, attachment).await
    }

    async fn show_typing(&self, address: &Address, _message: &str) {
        let Ok(place) = Place::of(address) else {
            return;
        };
        let typed = async {
            let channel = self.places.channel_of(place, &self.rest).await?;
            self.rest.type_in(channel).await
        };
        if let Err(error) = typed.await {
            tracing::debug!(%error, "typing is not shown");
        }
    }

    fn preview(&self, message: &OutboundMessage) -> Result<Vec<Preview>, SendError> {
        let parts = render::parts(message);
        let count = parts.len();
        let previews = parts.iter().enumerate().map(|(at, part)| {
            let mut part = part.clone();
            for image in part.images.clone() {
                if let Ok(embed) = render::picture(&image) {
                    part.embeds.push(embed);
                }
            }
            let body = part.create(render::nonce(message.id, at, at + 1 == count));
            let payload = serde_json::to_string_pretty(&body).map_err(|error| SendError::Fail {
                reason: error.to_string(),
            })?;
            let text = match at {
                0 => render::plain(message),
                _ => String::new(),
            };
            Ok(Preview {
                text,
                html: None,
                payload,
            })
        });
        previews.collect()
    }

    async fn healthcheck(&self) -> Health {
        if let Err(error) = self.rest.me().await {
            return Health::Down {
                reason: match error {
                    rest::CallError::Refused { status: 401, .. } => {
                        "the bot's token is not valid: set a new one".to_owned()
                    }
                    error => error.to_string(),
                },
            };
        }
        self.gateway
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    async fn diagnose(&self) -> Vec<Diagnosis> {
        self.look_at_everything().await
    }
}

/// Counts and logs what was not understood; nothing of what was in it is told.
fn skipped(what: &str, error: &dyn std::fmt::Display) {
    metrics::counter!("doorstep_channel_skipped_total", "channel" => NAME).increment(1);
    let error: String = error.to_string().chars().take(200).collect();
    tracing::warn!(
        what,
        error,
        "something from Discord is not understood and is left out"
    );
}

/// Whether the channel could be opened with the section.
pub(crate) fn check(config: &Config) -> Result<(), InvalidSetting> {
    config.check()
}

/// Opens the Discord channel of the configuration.
pub(crate) fn open(
    config: Config,
    surroundings: &Surroundings,
    channels: &mut Channels,
) -> Result<(), InvalidSetting> {
    let discord = Discord::new(
        config,
        surroundings.inbox.clone(),
        surroundings.ambient.clone(),
    )?;
    channels.add(Arc::new(discord));
    Ok(())
}
