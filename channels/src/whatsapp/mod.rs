//! WhatsApp by Meta's Cloud API: messages by the Graph API, news by webhook.
//!
//! | to learn about | read |
//! |---|---|
//! | how an address is written, user ids | `address` |
//! | what a message becomes there | `plan`, `template`, `media` |
//! | what `doorstep check` says of templates | `list` |
//! | what comes in | `webhook`, `inbound`, `link` |
//! | what errors mean | `error` |
//! | the provider on loopback | [`simulator`] |

mod address;
mod config;
mod diagnose;
mod error;
mod graph;
mod inbound;
mod link;
pub(crate) mod list;
mod media;
mod plan;
mod send;
pub mod simulator;
mod template;
#[cfg(test)]
pub(crate) mod tests;
mod webhook;
mod words;

use std::{
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
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
use serde_json::json;
use tokio_util::sync::CancellationToken;

pub use self::config::{Config, Number, Pictures};
use self::{address::Numbers, graph::Graph, media::Uploads, template::Templates};
use crate::{Channels, InvalidSetting, Surroundings};

/// The configured name.
pub const NAME: &str = "whatsapp";

/// How long after the customer's last message anything may be written (Meta: "Customer service windows").
const WINDOW: Duration = Duration::from_hours(24);
/// Meta: "Webhooks payloads can be up to 3 MB".
const LARGEST_WEBHOOK: usize = 3 << 20;
/// How long a good health check counts: readiness is asked for every few seconds, and the API's calls an hour are limited.
const HEALTH_LIVES: Duration = Duration::from_mins(1);

/// The WhatsApp channel.
pub struct WhatsApp {
    name: ChannelName,
    config: Config,
    capabilities: Capabilities,
    numbers: Numbers,
    graph: Graph,
    templates: Templates,
    uploads: Uploads,
    healthy_at: Mutex<Option<Timestamp>>,
    ambient: Ambient,
}

impl WhatsApp {
    /// WhatsApp as configured. Connects to nothing yet.
    ///
    /// # Errors
    /// A setting with which nothing can be sent or received.
    pub fn new(config: Config, ambient: Ambient) -> Result<Self, InvalidSetting> {
        config.check()?;
        let name = ChannelName::from(NAME);
        Ok(Self {
            capabilities: capabilities(),
            numbers: Numbers::new(name.clone(), config.numbers.clone()),
            graph: Graph::new(&config)?,
            templates: Templates::new(&config.business_account),
            uploads: Uploads::new(config.pictures),
            healthy_at: Mutex::default(),
            name,
            config,
            ambient,
        })
    }

    /// Keeps Meta's list of templates in this directory whenever it was read, for `doorstep check`.
    fn keeping_templates_in(mut self, data_dir: &Path) -> Self {
        self.templates.keep_at(list::path_in(data_dir));
        self
    }

    fn remember_health(&self, at: Option<Timestamp>) {
        if let Ok(mut healthy_at) = self.healthy_at.lock() {
            *healthy_at = at;
        }
    }

    fn was_healthy(&self) -> bool {
        let Some(at) = self.healthy_at.lock().ok().and_then(|at| *at) else {
            return false;
        };
        let age = (self.ambient.now() - at).to_std();
        age.is_ok_and(|age| age < HEALTH_LIVES)
    }
}

/// What WhatsApp can show. Speed: Meta, "Throughput" (80 messages a second and number) and "Pair rate limits" (1 message
/// every 6 seconds to one customer, told there as 10 a minute too; ten at once are within the burst of 45 that it allows, so
/// that two answers in a row need not wait).
fn capabilities() -> Capabilities {
    Capabilities {
        mailbox: false,
        buttons: true,
        cards: true,
        html: false,
        subject: false,
        idempotent: false,
        max_text: plan::LONGEST_TEXT,
        images: true,
        receipts: true,
        reads: true,
        reply_window: Some(WINDOW),
        rates: SendRates {
            per_address: Some(Rate {
                messages: 10,
                per: Duration::from_mins(1),
            }),
            overall: Some(Rate {
                messages: 80,
                per: Duration::from_secs(1),
            }),
        },
    }
}

#[async_trait]
impl Channel for WhatsApp {
    fn name(&self) -> &ChannelName {
        &self.name
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    async fn listen(&self, _inbox: Arc<dyn Inbox>, _stop: CancellationToken) {}

    async fn receive_webhook(
        &self,
        request: &WebhookRequest,
    ) -> Result<WebhookOutcome, WebhookRejection> {
        if request.method.as_str() == "GET" {
            return webhook::verify(request, &self.config.verify_token);
        }
        webhook::check_signature(request, &self.config.app_secret)?;
        webhook::read(request, &self.numbers)
    }

    fn max_webhook_bytes(&self) -> Option<usize> {
        Some(LARGEST_WEBHOOK)
    }

    /// The receipt's identifier is that of the last part, which has the buttons.
    async fn send(
        &self,
        address: &Address,
        message: &OutboundMessage,
    ) -> Result<Receipt, SendError> {
        self.send_all(address, message).await
    }

    async fn fetch(&self, attachment: &Attachment) -> Result<AttachmentStream, FetchError> {
        match &attachment.place {
            AttachmentPlace::Provider(id) => media::fetch(&self.graph, id).await,
            AttachmentPlace::Inline(_) => Err(FetchError::Fail {
                reason: "files of WhatsApp do not come with the message".to_owned(),
            }),
        }
    }

    /// Marks the message as read and shows "typing…" for 25 seconds or until the answer (Meta: "Typing indicators").
    async fn show_typing(&self, address: &Address, message: &str) {
        let Ok(route) = self.numbers.route(address) else {
            return;
        };
        if !message.starts_with("wamid.") {
            return;
        }
        let path = format!("{}/messages", route.number.phone_number_id);
        let body = json!({
            "messaging_product": "whatsapp",
            "status": "read",
            "message_id": message,
            "typing_indicator": { "type": "text" },
        });
        if let Err(error) = self.graph.post(&path, &body).await {
            tracing::debug!(%error, "typing was not shown");
        }
    }

    fn deep_link(&self, token: &str) -> Option<String> {
        let mut numbers = self.numbers.iter();
        let digits = numbers.find_map(|number| address::digits(&number.number))?;
        link::address(&digits, &self.config.link_text, token)
    }

    fn preview(&self, message: &OutboundMessage) -> Result<Vec<Preview>, SendError> {
        self.preview_all(message)
    }

    async fn healthcheck(&self) -> Health {
        if self.was_healthy() {
            return Health::Ok;
        }
        let health = self.check_numbers().await;
        self.remember_health((health == Health::Ok).then(|| self.ambient.now()));
        health
    }

    async fn diagnose(&self) -> Vec<Diagnosis> {
        self.diagnose_all().await
    }
}

/// Whether the section can be worked with.
pub(crate) fn check(config: &Config) -> Result<(), InvalidSetting> {
    config.check()
}

/// Opens the WhatsApp channel of the configuration.
pub(crate) fn open(
    config: Config,
    surroundings: &Surroundings,
    channels: &mut Channels,
) -> Result<(), InvalidSetting> {
    let channel = WhatsApp::new(config, surroundings.ambient.clone())?;
    channels.add(Arc::new(
        channel.keeping_templates_in(&surroundings.data_dir),
    ));
    Ok(())
}
