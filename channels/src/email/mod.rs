//! E-mail out, by SMTP or into a local outbox directory.
//!
//! Inbound mail is not received yet: [`Channel::listen`] returns at once.

mod compose;
mod config;
mod layout;
pub mod outbox;
mod smtp;
#[cfg(test)]
mod tests;

use std::{path::Path, sync::Arc};

use async_trait::async_trait;
use doorstep_core::{
    Ambient, ChannelName, Health,
    channel::{Capabilities, Channel, Inbox, Receipt, SendError, WebhookOutcome},
    message::{Address, OutboundMessage},
    webhook::{WebhookRejection, WebhookRequest},
};
use tokio_util::sync::CancellationToken;

pub use self::config::{Config, Smtp, Tls};
use self::{compose::Composer, outbox::Outbox, smtp::SmtpTransport};
use crate::{Channels, InvalidSetting, Surroundings};

/// The configured name.
pub const NAME: &str = "email";

/// Outgoing e-mail.
pub struct Email {
    name: ChannelName,
    capabilities: Capabilities,
    composer: Composer,
    transport: Transport,
    ambient: Ambient,
}

enum Transport {
    Outbox(Outbox),
    Smtp(Box<SmtpTransport>),
}

impl Email {
    /// E-mail as configured; a relative outbox lies in `data_dir`. Connects to nothing yet.
    ///
    /// # Errors
    /// A setting with which no mail can be sent.
    pub fn new(config: Config, data_dir: &Path, ambient: Ambient) -> Result<Self, InvalidSetting> {
        let composer = Composer::new(&config)?;
        let transport = match config.smtp {
            Some(smtp) => Transport::Smtp(Box::new(SmtpTransport::new(smtp, composer.domain())?)),
            None => Transport::Outbox(Outbox::new(
                data_dir.join(config.outbox),
                ambient.entropy.clone(),
            )),
        };
        Ok(Self {
            name: NAME.into(),
            capabilities: Capabilities {
                mailbox: false,
                buttons: false,
                cards: true,
                html: true,
                subject: true,
                // A file's name is the message's identifier; a mail server takes the same message twice.
                idempotent: matches!(transport, Transport::Outbox(_)),
                max_text: 100_000,
                ..Capabilities::default()
            },
            composer,
            transport,
            ambient,
        })
    }
}

#[async_trait]
impl Channel for Email {
    fn name(&self) -> &ChannelName {
        &self.name
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    async fn listen(&self, _inbox: Arc<dyn Inbox>, _stop: CancellationToken) {}

    async fn receive_webhook(
        &self,
        _request: &WebhookRequest,
    ) -> Result<WebhookOutcome, WebhookRejection> {
        Err(WebhookRejection::NotHere)
    }

    /// The receipt's identifier is the `Message-ID` without its brackets: bounces name it.
    async fn send(
        &self,
        address: &Address,
        message: &OutboundMessage,
    ) -> Result<Receipt, SendError> {
        let mail = self.composer.compose(address, message, self.ambient.now())?;
        match &self.transport {
            Transport::Outbox(outbox) => outbox.write(&message.id, &mail.bytes).await?,
            Transport::Smtp(smtp) => smtp.send(&mail).await?,
        }
        Ok(Receipt {
            provider_id: mail.message_id,
        })
    }

    async fn healthcheck(&self) -> Health {
        match &self.transport {
            Transport::Outbox(outbox) => outbox.healthcheck().await,
            Transport::Smtp(smtp) => smtp.healthcheck().await,
        }
    }
}

/// Whether mail could be sent with the section.
pub(crate) fn check(config: &Config) -> Result<(), InvalidSetting> {
    let composer = Composer::new(config)?;
    match &config.smtp {
        Some(smtp) => SmtpTransport::new(smtp.clone(), composer.domain()).map(drop),
        None => Ok(()),
    }
}

/// Opens the e-mail channel of the configuration.
pub(crate) fn open(
    config: Config,
    surroundings: &Surroundings,
    channels: &mut Channels,
) -> Result<(), InvalidSetting> {
    let email = Email::new(
        config,
        &surroundings.data_dir,
        surroundings.ambient.clone(),
    )?;
    channels.add(Arc::new(email));
    Ok(())
}
